"""The cache's configuration: the tiers, what enters them, how long it stays, how it is replayed."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, SecretStr, Tag, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.judgement import Judgement
from proxy.config.redisurl import TLS_SCHEMES, check, scheme_of
from proxy.config.section import SecretUrl, Section, split_url

MIB = 1024 * 1024
DAY_S = 86_400

Action = Literal["store", "exact", "private", "never"]
"""What becomes of an answer, from free to strict.

`store`: kept, and found by rewordings; `exact`: kept, found by the same request alone; `private`:
kept in the session tier of this process alone; `never`: not kept.
"""

Glob = Annotated[str, Field(min_length=1, max_length=256)]
"""A name, or a pattern with `*`, `?` and `[...]`; case matters."""

GuardName = Literal[
    "foreign",
    "identifier",
    "number",
    "unit",
    "date",
    "language",
    "name",
    "negation",
    "opposite",
    "direction",
    "order",
    "voice",
    "asks",
    "scope",
    "owner",
    "aspect",
    "moment",
    "errand",
    "word",
]
"""A guard of `proxy.core.judgement.guards`; a test compares the two lists."""

Guards = Annotated[
    Annotated[Literal["all"], Tag("<word>")] | Annotated[tuple[GuardName, ...], Tag("<list>")],
    Discriminator(lambda value: "<list>" if isinstance(value, list | tuple) else "<word>"),
]
"""The alternatives are told apart first, so that a problem is reported against the one meant."""


class TtlRule(Section):
    """A lifetime for some entries. All conditions given must hold; one left out always holds."""

    model: Glob | None = None
    """Model name or pattern, such as `gpt-4o*`."""

    namespace: Glob | None = None
    """Namespace name or pattern; the default namespace has the empty name and matches `*` only."""

    tag: Glob | None = None
    """A tag the entry carries, or a pattern for one."""

    path: Glob | None = None
    """Path of the request or a pattern, such as `/v1/responses`."""

    ttl_s: float = Field(default=DAY_S, ge=0, le=3650 * DAY_S)
    """Lifetime in seconds; with 0 such entries are stale at once."""


class Ttl(Section):
    """How long an entry lives."""

    default_s: float = Field(default=DAY_S, gt=0, le=3650 * DAY_S)
    """Seconds an entry is fresh when neither a rule nor the request says otherwise."""

    max_s: float = Field(default=30 * DAY_S, gt=0, le=3650 * DAY_S)
    """Longest lifetime that a request may ask for with `x-cache-ttl`, seconds."""

    stale_s: float = Field(default=3600, ge=0, le=3650 * DAY_S)
    """Seconds an expired entry is kept for callers that accept a stale one."""

    rules: tuple[TtlRule, ...] = ()
    """Lifetimes by model, namespace, tag or path; the first that matches holds."""

    @model_validator(mode="after")
    def _default_within_max(self) -> "Ttl":
        if self.default_s > self.max_s:
            raise PydanticCustomError(
                "above_max", f"{self.default_s:g} is above max_s", {"at": ("default_s",)}
            )
        return self


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


def _shared_url(url: SecretUrl) -> SecretUrl:
    check(url.get_secret_value())
    return url


class Tls(Section):
    """How Redis is reached over TLS: `rediss://` or `rediss+sentinel://`."""

    ca: Path | None = None
    """File with the certificates (PEM) of who may vouch for the server; null takes the system's."""

    certificate: Path | None = None
    """File with this proxy's own certificate (PEM), where the server asks for one."""

    key: Path | None = None
    """File with the private key of that certificate (PEM); null when it is in the same file."""

    check_hostname: bool = True
    """Refuse a certificate that is not for the host that was asked for."""


class SharedTier(Section):
    """The second tier: every entry, durable, shared by all replicas."""

    url: Annotated[SecretUrl, AfterValidator(_shared_url)] = SecretUrl("sqlite:///data/reprise.db")
    """Where entries are kept. `sqlite:///file` for one process, or Redis for several:
    `redis://user:password@host:6379/0`, `rediss://` for TLS, `unix:///socket`,
    `redis+sentinel://user:password@host:26379,host:26379/service/0` for a Redis under Sentinel. A
    relative file is relative to the working directory.
    """

    tls: Tls = Tls()
    """How Redis is reached over TLS."""

    sentinel_user: str | None = None
    """User the sentinels ask for; null where they ask for a password alone, or for nothing."""

    sentinel_password: SecretStr | None = None
    """Password the sentinels ask for; that of Redis itself stands in `url`."""

    client_name: Annotated[str, Field(pattern=r"^[!-~]+$", max_length=64)] = "reprise"
    """Name under which Redis lists this proxy's connections."""

    timeout_ms: float = Field(default=2000, ge=10, le=600_000)
    """Longest wait for Redis outside a lookup, milliseconds; a lookup has `cache.deadline_ms`."""

    max_connections: int = Field(default=64, ge=1, le=10_000)
    """Connections to Redis at once; further calls wait for one."""

    max_log_records: int = Field(default=100_000, ge=1000)
    """Records kept of the change log that replicas follow; those further behind start anew."""

    poll_s: float = Field(default=1, ge=0.05, le=3600)
    """Seconds between looks at the change log for what other replicas did."""

    expire_every_s: float = Field(default=60, ge=1, le=DAY_S)
    """Seconds between rounds that delete entries past their time."""

    max_backlog: int = Field(default=10_000, ge=0, le=10_000_000)
    """Most answers kept in memory while this tier cannot take them, to be written once it can; the
    oldest go first. 0 keeps none.
    """

    max_backlog_bytes: int = Field(default=64 * MIB, ge=1024)
    """Most bytes of such answers."""

    key_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=64)] = "reprise"
    """Beginning of every key in Redis, so that deployments can share a server."""

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, or None when the tier is Redis."""
        url = self.url.get_secret_value()
        return Path(split_url(url).path[1:]) if scheme_of(url) == "sqlite" else None

    @model_validator(mode="after")
    def _no_use_without(self) -> "SharedTier":
        """A key that would be without effect is a mistake: the connection is not what it seems."""
        url = self.url.get_secret_value()
        if self.tls != Tls() and scheme_of(url) not in TLS_SCHEMES:
            raise PydanticCustomError("no_tls", "needs a url with rediss://", {"at": ("tls",)})
        if self.tls != Tls() and "ssl_" in url.partition("?")[2]:
            raise PydanticCustomError("two_tls", "excludes ssl_ options in url", {"at": ("tls",)})
        if self.tls.key is not None and self.tls.certificate is None:
            raise PydanticCustomError("no_cert", "needs certificate", {"at": ("tls", "key")})
        for name in ("sentinel_user", "sentinel_password"):
            if getattr(self, name) is not None and not scheme_of(url).endswith("+sentinel"):
                raise PydanticCustomError(
                    "no_sentinel", "needs a url with redis+sentinel://", {"at": (name,)}
                )
        return self


class VectorTier(Section):
    """The third tier: entries whose question means the same."""

    enabled: bool = True
    """Use this tier; without it only exact repeats are answered."""

    threshold: float | None = Field(default=None, ge=0, le=1)
    """Least cosine similarity of a neighbour that may answer where nothing verifies it; null takes
    the embedder's own calibration. A number that is right for one embedder is wrong for another.
    """

    floor: float | None = Field(default=None, ge=0, le=1)
    """Least cosine similarity of a neighbour that is put to the verifier; null takes the embedder's
    own calibration. Lower asks more often for few more hits.
    """

    candidates: int = Field(default=4, ge=1, le=64)
    """Neighbours judged a request, best first."""

    guards: Guards = "all"
    """Text rules that may veto a neighbour whatever its similarity: `all`, or a list of some of
    foreign, identifier, number, unit, date, language, name, negation, opposite, direction, order,
    voice, asks, scope, owner, aspect, moment, errand and word.
    """

    allow_looser_threshold: bool = False
    """Let `x-cache-threshold` ask for less similarity than the proxy does, not only for more."""

    max_entries: int = Field(default=1_000_000, ge=1, le=100_000_000)
    """Most questions the index holds; the oldest go first."""

    snapshot: Path = Path("data/index.snapshot")
    """File the index is saved in, so that a start need not rebuild it."""

    snapshot_every_s: float = Field(default=60, ge=1, le=DAY_S)
    """Seconds between saves, when something has changed."""


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
    """What becomes of answers to requests that offer tools: store, exact, private or never."""


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
    """Seconds between probes of a part that is left alone."""

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

    context: Literal["exact", "rewrite"] = "exact"
    """How earlier turns of a conversation are compared: they must be the same (`exact`), or
    (`rewrite`) a follow-up question is judged together with the questions before it, where they say
    by themselves what is asked. `rewrite` needs a verifier or a language model as judge.
    """

    max_entry_bytes: int = Field(default=MIB, ge=1024, le=1024 * MIB)
    """Largest answer that is stored, bytes."""

    finish_on_disconnect: bool = False
    """Read an answer to its end, and store it, although every caller has left."""

    ttl: Ttl = Ttl()
    """How long an entry lives."""

    session: SessionTier = SessionTier()
    """Exact repeats within a session, in memory."""

    shared: SharedTier = SharedTier()
    """Every entry, durable."""

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
