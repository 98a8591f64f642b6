"""The nouns everything else is written in.

Values are frozen and slotted. Times are seconds since the epoch unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from hmac import HMAC
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from proxy.core.conversation.turns import Turn

Vector = npt.NDArray[np.float32]
"""One text's embedding: shape (dimension,), float32, unit length, so that a dot is a cosine."""

DIGEST_CHARS = 32
"""128 bits: a collision takes 2**64 requests, and only inside one's own tenant."""


def digest(*parts: bytes, key: bytes = b"") -> str:
    """A hex digest of some byte strings; each is length-prefixed, so no two lists collide.

    With a key (HMAC, RFC 2104) only who has it can tell whose digest it is, by trying.
    """
    state = HMAC(key, digestmod="sha256") if key else sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "big") + part)
    return state.hexdigest()[:DIGEST_CHARS]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        tenant: Digest of the credential, or of the trusted header. Never the credential itself.
        session: Which session of that tenant; "" is the tenant's default session.
        principal: Digest of who asks, also where all share one tenant; "" where nobody knows.
    """

    tenant: str
    session: str = ""
    principal: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Directives:
    """What this request wants of the cache (RFC 9111, 5.2.1; RFC 5861; and a few of our own).

    Attributes:
        read: May be answered from the cache.
        write: Its answer may be stored.
        semantic: May be answered by another question's entry.
        shadow: Look up and record, but answer from upstream.
        only_if_cached: Fail with `not_cached` rather than ask upstream.
        private: Kept in the session tier alone.
        ttl: Lifetime asked for this entry, seconds.
        max_age: Accept no older entry, seconds.
        min_fresh: Accept only an entry that stays fresh this long, seconds.
        max_stale: Accept an entry expired at most this long ago, seconds; `inf` for any.
        stale_while_revalidate: The same, if it is refreshed meanwhile: the operator says.
        stale_if_error: The same, but only when the origin fails; None where nobody says.
        threshold: Least similarity accepted, in place of the calibrated one.
        namespace: Partition of the tenant's entries.
        tags: Labels for invalidation.
    """

    read: bool = True
    write: bool = True
    semantic: bool = True
    shadow: bool = False
    only_if_cached: bool = False
    private: bool = False
    ttl: float | None = None
    max_age: float | None = None
    min_fresh: float = 0.0
    max_stale: float = 0.0
    stale_while_revalidate: float = 0.0
    stale_if_error: float | None = None
    threshold: float | None = None
    namespace: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """All that must match exactly before a neighbour is even looked at.

    `tenant`, `namespace`, `api` and `model` stand in clear; the other parts are digests of
    canonical JSON, "" where the request has no such part, so that `explain` can say which part of
    two keys differs without keeping anybody's prompt.
    """

    tenant: str
    namespace: str
    api: str
    model: str
    system: str = ""
    context: str = ""
    tools: str = ""
    sampling: str = ""
    format: str = ""
    extra: str = ""
    id: str = field(init=False)

    def __post_init__(self) -> None:
        parts = (
            self.tenant,
            self.namespace,
            self.api,
            self.model,
            self.system,
            self.context,
            self.tools,
            self.sampling,
            self.format,
            self.extra,
        )
        object.__setattr__(self, "id", digest(*(part.encode() for part in parts)))

    def key(self, question: str) -> str:
        """The exact key: this scope and this question, and nothing else."""
        return digest(self.id.encode(), question.encode())


@dataclass(frozen=True, slots=True)
class CacheRequest:
    """A request, read.

    Attributes:
        scope: What must match exactly.
        caller: Who asks.
        directives: What it wants of the cache, narrowed by what the request allows.
        question: The last user text, NFC, or all of them where the scope leaves the earlier ones
            out; "" where there is none.
        key: Of the whole conversation, whatever the scope leaves out: only its repeat has it.
        stream: The caller wants server-sent events.
        include_usage: The caller wants the usage chunk of a stream.
        body: The request as parsed, untouched.
        unwritten: What a model is to write the question from; until it has, `question` is "".
    """

    scope: Scope
    caller: Caller
    directives: Directives
    question: str
    key: str
    stream: bool
    include_usage: bool
    body: dict[str, Any] = field(repr=False, compare=False)
    unwritten: tuple[Turn, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer.

    Attributes:
        prompt: All that was read, `cached` included.
        completion: All that was said.
        estimated: The origin did not count them; we did.
        cached: Of the prompt, what the origin had in a cache of its own.
        service_tier: The tier of service that it says it bills; "" where it says none.
    """

    prompt: int
    completion: int
    estimated: bool = False
    cached: int = 0
    service_tier: str = ""

    @property
    def total(self) -> int:
        """Prompt and completion together."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Answer:
    """What the origin said, whole.

    Attributes:
        body: The answer as the JSON body a non-streaming caller gets.
        frames: The `data:` payloads of the origin's stream in order, without `[DONE]`; empty when
            the origin answered JSON. A stream is replayed from them, chunk for chunk. An embedding
            has its numbers here: see `proxy.core.dialects.embeddings_answer`.
        usage: Tokens, when the origin said or we could estimate.
        finish: Every choice's finish reason.
    """

    body: bytes = field(repr=False)
    frames: tuple[bytes, ...] = field(default=(), repr=False)
    usage: Usage | None = None
    finish: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return len(self.body) + sum(map(len, self.frames))


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored answer. Its id is the exact key, so that a refresh replaces it.

    Attributes:
        id: `CacheRequest.key` of the request that filled it.
        scope: `Scope.id`; no port reads an entry without it.
        tenant, namespace, model: In clear, for invalidation and labels.
        question: The text that was asked.
        answer: What the origin said.
        created_at: When it was stored.
        expires_at: Fresh until then (RFC 9111, 4.2).
        kept_until: Dropped then; between the two it is stale, for callers who accept that.
        tags: Labels for invalidation.
        vector: The question's embedding; None for an entry that only its own question may find.
        embedder: Id of the embedder that made the vector; vectors of two never meet.
        private: Kept in the session tier alone.
        generation: The newest purge of any namespace that was known when the origin was asked: one
            of its own namespace that is newer means this answer. None: known when it is stored.
        principal: By whose credential the origin was asked, as `Caller.principal`.
        confirmed: Somebody else's answer has agreed with it: see `proxy.core.quarantine`.
    """

    id: str
    scope: str
    tenant: str
    namespace: str
    model: str
    question: str = field(repr=False)
    answer: Answer
    created_at: float
    expires_at: float
    kept_until: float
    tags: tuple[str, ...] = ()
    vector: Vector | None = field(default=None, repr=False, compare=False)
    embedder: str = ""
    private: bool = False
    generation: int | None = field(default=None, compare=False)
    principal: str = ""
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to ask the origin for a key; of two holders, the one with the larger token has it.

    Attributes:
        key: `CacheRequest.key` of the request, a colon, and by whose credential it is asked: one
            caller's quota must not pay for another's.
        token: Above that of every earlier holder of this key.
    """

    key: str
    token: int

    @property
    def entry_id(self) -> str:
        """Of the entry that is made under it."""
        return self.key.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A neighbour inside the scope: similarity is the cosine, -1 to 1."""

    entry_id: str
    similarity: float
    question: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An indexed question, of whatever scope, for operators; similarity is the cosine, -1 to 1."""

    entry_id: str
    scope: str
    similarity: float
    question: str = field(repr=False)


class Result(StrEnum):
    """How a request was answered: the value of `x-cache`."""

    HIT = "HIT"
    MISS = "MISS"
    STALE = "STALE"
    COALESCED = "COALESCED"
    BYPASS = "BYPASS"


class Tier(StrEnum):
    """Which tier answered: the value of `x-cache-tier`."""

    SESSION = "session"
    SHARED = "shared"
    VECTOR = "vector"


class Judged(StrEnum):
    """What was decided of the neighbour that a lookup came nearest to serving."""

    ACCEPTED = "accepted"
    """It may be served; freshness and learning come after."""

    UNSURE = "unsure"
    """Near enough and not vetoed, and the verifier did not vouch for it."""

    VETOED = "vetoed"
    """Near enough, and a guard or feedback forbids it."""

    BELOW = "below"
    """Not similar enough to be read."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request: exactly one each, so headers, log and metrics cannot disagree.

    Attributes:
        request_id: `x-request-id`.
        result: How it was answered.
        api, model, tenant, namespace: What was asked, by whom.
        status: The status the caller got.
        tier: Which tier answered a hit.
        entry: Id of the entry served or written.
        similarity: Cosine of the best neighbour looked at, served or not.
        probability: What the verifier gave that neighbour; None when it was not asked.
        judged: What was decided of it; None when no neighbour was looked at.
        guard: Which veto, of one that is vetoed; "" otherwise.
        question: What was asked; "" unless the operator has it shown.
        age: Seconds since the served entry was stored.
        ttl: Seconds the served entry stays fresh; negative when stale.
        reason: Why not better: a veto, a bypass, an expiry; "" for a plain hit or miss.
        stored: The answer goes into the cache; None while a stream has not ended.
        stream: Answered as server-sent events.
        items: Of a batch, (inputs answered from the cache, inputs); None of anything else.
        usage: Tokens of the answer.
        saved: Those of them that the origin was not asked for.
        saved_usd: What these would have cost, by the configured prices.
        upstream_status: The origin's status, when it was asked.
        timings: Seconds by stage: session, shared, rewrite, embed, vector, verify, upstream, total.
        starts: Seconds from the request's coming to the first beginning of each stage.
    """

    request_id: str
    result: Result
    api: str
    model: str = ""
    tenant: str = ""
    namespace: str = ""
    status: int = 200
    tier: Tier | None = None
    entry: str | None = None
    similarity: float | None = None
    probability: float | None = None
    judged: Judged | None = None
    guard: str = ""
    question: str = field(default="", repr=False)
    age: float | None = None
    ttl: float | None = None
    reason: str = ""
    stored: bool | None = None
    stream: bool = False
    items: tuple[int, int] | None = None
    usage: Usage | None = None
    saved: Usage | None = None
    saved_usd: float | None = None
    upstream_status: int | None = None
    timings: dict[str, float] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)
