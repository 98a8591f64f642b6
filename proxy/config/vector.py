"""The vector tier's configuration: which neighbours are looked at, and where the index is kept."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.redisurl import TLS_SCHEMES, check, scheme_of
from proxy.config.section import AtStart, SecretUrl, Section
from proxy.config.shared import Tls

DAY_S = 86_400

Backend = Literal["faiss", "redis"]
"""Where an index can be; `proxy.parts.indexing` builds it."""

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
    "addition",
]
"""A guard of `proxy.core.judgement.guards`; a test compares the two lists."""

Guards = Annotated[
    Annotated[Literal["all"], Tag("<word>")] | Annotated[tuple[GuardName, ...], Tag("<list>")],
    Discriminator(lambda value: "<list>" if isinstance(value, list | tuple) else "<word>"),
]
"""The alternatives are told apart first, so that a problem is reported against the one meant."""


def _redis_url(url: SecretUrl) -> SecretUrl:
    check(url.get_secret_value())
    if scheme_of(url.get_secret_value()) == "sqlite":
        raise ValueError("must be a Redis, such as redis://host:6379/0")
    return url


class VectorSets(Section):
    """The index on a Redis with vector sets (8.2 or newer)."""

    url: Annotated[SecretUrl, AfterValidator(_redis_url)] | None = None
    """The Redis that holds the index, as `cache.shared.url` is written; null takes that one.
    Time-outs, connections and the sentinels' login are those of `cache.shared`.
    """

    tls: Tls = Tls()
    """How this Redis is reached over TLS; without a `url` of its own, `cache.shared.tls` holds."""

    key_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=64)] | None = None
    """Beginning of every key of the index; null takes `cache.shared.key_prefix`. Proxies that have
    not the same entries must not have the same prefix.
    """

    quantisation: Literal["q8", "noquant"] = "q8"
    """How numbers of a vector are kept: in a byte (`q8`) or in four (`noquant`). Another choice
    begins another index.
    """

    effort: int = Field(default=256, ge=10, le=10_000)
    """Questions that a search looks at (`EF`): more find more, and take longer."""

    split_at: int = Field(default=1_000_000, ge=1000, le=1_000_000_000)
    """Questions of one scope above which they are spread over twice as many keys, which a cluster
    puts on several masters.
    """

    @model_validator(mode="after")
    def _no_tls_without_use(self) -> "VectorSets":
        scheme = scheme_of(self.url.get_secret_value()) if self.url else ""
        if self.tls != Tls() and scheme not in TLS_SCHEMES:
            raise PydanticCustomError("no_tls", "needs a url with rediss://", {"at": ("tls",)})
        return self


class VectorTier(Section):
    """The third tier: entries whose question means the same."""

    enabled: AtStart[bool] = True
    """Use this tier; without it only exact repeats are answered."""

    backend: AtStart[Backend] = "faiss"
    """Where vectors are: in each process (`faiss`), or in a Redis that all share (`redis`)."""

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
    voice, asks, scope, owner, aspect, moment, errand, word and addition.
    """

    allow_looser_threshold: bool = False
    """Let `x-cache-threshold` ask for less similarity than the proxy does, not only for more."""

    max_entries: AtStart[int] = Field(default=1_000_000, ge=1, le=100_000_000)
    """Most questions the index holds; the oldest go first."""

    exact_up_to: AtStart[int] = Field(default=4000, ge=1, le=50_000)
    """Questions of a scope that are all compared, in `faiss`; in a larger one sign bits of their
    vectors choose which are.
    """

    reembed_per_s: float = Field(default=20, ge=0, le=100_000)
    """Stored questions embedded in the background in a second, at most: all of them after a change
    of embedder, and those that it could not embed in time; 0 leaves them without a vector of the
    embedder, to be found by their repeats alone.
    """

    snapshot: AtStart[Path] = Path("data/index.snapshot")
    """File the index is saved in, so that a start need not rebuild it."""

    snapshot_every_s: AtStart[float] = Field(default=60, ge=1, le=DAY_S)
    """Seconds between saves, when something has changed."""

    redis: AtStart[VectorSets] = VectorSets()
    """The index in Redis, where `backend` says so."""
