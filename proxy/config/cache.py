"""The cache's configuration: the tiers, what enters them, how long it stays, how it is replayed."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.encryption import Encryption
from proxy.config.freshness import ScheduledPurge, TagRule, Ttl, check
from proxy.config.judgement import Judgement
from proxy.config.section import AtStart, HeaderName, SecretUrl, Section
from proxy.config.shared import SharedTier, Tls
from proxy.config.vector import VectorTier

MIB = 1024 * 1024
DAY_S = 86_400

Action = Literal["store", "exact", "private", "never"]
"""What becomes of an answer, from free to strict.

`store`: kept, and found by rewordings; `exact`: kept, found by the same request alone; `private`:
kept in the session tier of this process alone; `never`: not kept.
"""


class SessionTier(Section):
    """The first tier: exact repeats within a session, in this process's memory."""

    enabled: bool = True
    """Use this tier."""

    max_entries: int = Field(default=10_000, ge=1, le=10_000_000)
    """Most entries held; the least recently used goes first."""

    max_bytes: int = Field(default=64 * MIB, ge=1024)
    """Most bytes of answers held; the least recently used goes first."""

    ttl_s: float = Field(default=600, gt=0, le=365 * DAY_S)
    """Seconds an entry stays in this tier; never longer than the entry itself lives."""


class Admission(Section):
    """What may be stored. Where several rules apply, the strictest action holds."""

    max_temperature: float | None = Field(default=None, ge=0, le=2)
    """Highest temperature whose answers are plainly stored; null sets no limit."""

    temperature_action: Action = "never"
    """What becomes of answers above `max_temperature`: store, exact, private or never."""

    time_words: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = (
        "today",
        "tonight",
        "tomorrow",
        "yesterday",
        "right now",
        "currently",
        "at the moment",
        "latest",
        "this week",
        "this month",
        "this year",
    )
    """Words by which a question asks about the present, so that its answer does not last."""

    time_action: Action = "never"
    """What becomes of answers to such questions: store, exact, private or never."""

    pii_action: Action = "private"
    """What becomes of answers to questions with personal data, such as a mail address or a card
    number: store, exact, private or never.
    """

    tools_action: Action = "exact"
    """What becomes of answers to requests that offer tools: store, exact, private or never.
    One that calls a tool answers its own request only, also with `store`.
    """

    stored_action: Action = "never"
    """What becomes of answers that the origin is asked to keep, as the Responses API is unless a
    request says `store: false`: store, exact, private or never. A replayed one has an id that the
    origin does not know, so that no caller can go on from it.
    """


class Replay(Section):
    """How a stored answer is streamed. Both paces keep the origin's chunks as they were."""

    pace: Literal["instant", "tokens"] = "instant"
    """`instant` sends all chunks at once; `tokens` spreads them as a model would."""

    tokens_per_s: float = Field(default=50, gt=0, le=100_000)
    """Tokens a second at the pace `tokens`."""


class Breaker(Section):
    """When a part of the cache that fails is left alone, and how it comes back."""

    faults: int = Field(default=1, ge=1, le=1000)
    """Faults in a row after which requests go past the part."""

    retry_s: float = Field(default=1, gt=0, le=3600)
    """Longest pause between probes of a part that is left alone, seconds; the shortest is half."""

    probe_s: float = Field(default=5, gt=0, le=600)
    """Seconds a probe, or the part's start, may take."""


class Cache(Section):
    """What is kept, for how long, and who may be answered from it."""

    enabled: bool = True
    """Answer from the cache and fill it; without it the proxy passes everything through."""

    deadline_ms: float = Field(default=250, ge=1, le=60_000)
    """Milliseconds that all cache stages of one request share; after them the origin is asked."""

    tenancy: Literal["credential", "shared"] = "credential"
    """Who shares answers: callers of one `credential`, or everybody (`shared`)."""

    key_headers: tuple[HeaderName, ...] = ()
    """Further request headers that change what the origin answers: only requests that have the same
    share answers. OpenAI's, Azure's and Anthropic's own are known.
    """

    tenant_key: AtStart[Annotated[SecretStr, Field(min_length=16)] | None] = None
    """Secret of at least 16 characters, the same for all replicas, that tenants' digests are made
    with; null makes them of the credential alone, so that who reads the store can try guesses. With
    another key all are other tenants, who find nothing of what was stored before.
    """

    store_questions: AtStart[bool] = True
    """Store what was asked beside the answer; without it a process knows the questions that it has
    asked itself since its start, and answers reworded ones by these alone. Exact repeats are
    answered by all.
    """

    context: Literal["exact", "rewrite"] = "exact"
    """How earlier turns of a conversation are compared: they must be the same (`exact`), or
    (`rewrite`) a follow-up question is judged together with the questions before it, where they say
    by themselves what is asked. `rewrite` needs a verifier or a language model as judge.
    """

    max_entry_bytes: int = Field(default=MIB, ge=1024, le=1024 * MIB)
    """Largest answer that is stored, bytes."""

    finish_on_disconnect: bool = False
    """Read an answer to its end, and store it, although every caller has left."""

    coalesce_wait_s: float = Field(default=30, ge=0, le=3600)
    """Seconds that a miss waits for the answer which another replica is just asking for; after
    them, or with 0, it is asked for here as well.
    """

    ttl: Ttl = Ttl()
    """How long an entry lives."""

    tags: tuple[TagRule, ...] = ()
    """Tags by model, namespace, tag or path, beside those that callers give: all rules that match
    add theirs.
    """

    purges: tuple[ScheduledPurge, ...] = ()
    """What is forgotten at set times, in every tier and by every replica."""

    session: SessionTier = SessionTier()
    """Exact repeats within a session, in memory."""

    shared: AtStart[SharedTier] = SharedTier()
    """Every entry, durable."""

    encryption: AtStart[Encryption] = Encryption()
    """What is stored sealed, so that who reads the store learns nothing from it."""

    vector: VectorTier = VectorTier()
    """Questions that mean the same."""

    judgement: Judgement = Judgement()
    """Which of them are answered."""

    admission: Admission = Admission()
    """What may be stored."""

    replay: Replay = Replay()
    """How a stored answer is streamed."""

    breaker: Breaker = Breaker()
    """When a failing part is left alone."""

    @property
    def tenant_secret(self) -> bytes:
        """`tenant_key` as bytes; empty where there is none."""
        return self.tenant_key.get_secret_value().encode() if self.tenant_key else b""

    @property
    def excludes_clear(self) -> str | None:
        """Why nothing may hold questions in clear; None where something may."""
        if self.encryption.keys:
            return "excludes cache.encryption.keys"
        return None if self.store_questions else "needs cache.store_questions"

    @property
    def index_server(self) -> tuple[SecretUrl, Tls]:
        """The Redis of an index that is in Redis, and how it is reached."""
        chosen = self.vector.redis
        return (chosen.url, chosen.tls) if chosen.url else (self.shared.url, self.shared.tls)

    @model_validator(mode="after")
    def _rules_do_something(self) -> "Cache":
        check(self.tags, self.purges)
        return self

    @model_validator(mode="after")
    def _nothing_is_in_clear_beside_it(self) -> "Cache":
        """What cannot be sealed, or is made of questions, is not kept at all."""
        why = self.excludes_clear
        if why is None:
            return self
        if self.vector.backend == "redis":
            raise PydanticCustomError(
                "index_in_clear",
                "redis {why}: it holds questions in clear",
                {"at": ("vector", "backend"), "why": why},
            )
        if self.judgement.llm.verdicts_file is not None:
            raise PydanticCustomError(
                "verdicts_in_clear",
                "{why}: it holds questions in clear",
                {"at": ("judgement", "llm", "verdicts_file"), "why": why},
            )
        return self

    @model_validator(mode="after")
    def _index_has_a_server(self) -> "Cache":
        is_local = self.shared.sqlite_path is not None and self.vector.redis.url is None
        if self.vector.backend == "redis" and is_local:
            raise PydanticCustomError(
                "no_redis",
                "is needed: cache.shared.url is no Redis",
                {"at": ("vector", "redis", "url")},
            )
        return self

    @model_validator(mode="after")
    def _rewrites_in_its_mode(self) -> "Cache":
        if self.judgement.llm.rewrite and self.context != "rewrite":
            raise PydanticCustomError(
                "no_rewrite", "needs context: rewrite", {"at": ("judgement", "llm", "rewrite")}
            )
        return self

    @model_validator(mode="after")
    def _rewrites_before_a_judge(self) -> "Cache":
        """Questions that share their beginning are near each other whatever their ends ask."""
        is_judged = self.judgement.verifier != "none" or self.judgement.llm.model is not None
        if self.context == "rewrite" and not is_judged:
            raise PydanticCustomError(
                "no_judge", "needs judgement.verifier or judgement.llm.model", {"at": ("context",)}
            )
        return self
