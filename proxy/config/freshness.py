"""How long an entry lives, what tags it gets, and when the operator has some of them forgotten."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.section import Section

DAY_S = 86_400
LONGEST_S = 3650 * DAY_S

Glob = Annotated[str, Field(min_length=1, max_length=256)]
"""A name, or a pattern with `*`, `?` and `[...]`; case matters."""

Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/@-]{1,128}$")]
"""As `x-cache-tags` may name it."""

Seconds = Annotated[float, Field(ge=0, le=LONGEST_S)]


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

    ttl_s: float = Field(default=DAY_S, ge=0, le=LONGEST_S)
    """Lifetime in seconds; with 0 such answers are not kept."""

    stale_while_revalidate_s: Seconds | None = None
    """As the key of `cache.ttl`, for these entries; null takes that one."""

    stale_if_error_s: Seconds | None = None
    """As the key of `cache.ttl`, for these entries; null takes that one."""


class Ttl(Section):
    """How long an entry lives."""

    default_s: float = Field(default=DAY_S, gt=0, le=LONGEST_S)
    """Seconds an entry is fresh when neither a rule nor the request says otherwise."""

    max_s: float = Field(default=30 * DAY_S, gt=0, le=LONGEST_S)
    """Longest lifetime that a request may ask for with `x-cache-ttl`, seconds."""

    stale_s: float = Field(default=3600, ge=0, le=LONGEST_S)
    """Seconds an expired entry is kept for callers that accept a stale one."""

    stale_while_revalidate_s: float = Field(default=0, ge=0, le=LONGEST_S)
    """Seconds after its expiry that an entry still answers its own request at once, while a fresh
    answer is fetched in the background; at most `stale_s`.
    """

    stale_if_error_s: float = Field(default=0, ge=0, le=LONGEST_S)
    """Seconds after its expiry that an entry stands in for an origin that fails, for requests that
    do not say with `stale-if-error`; at most `stale_s`.
    """

    rules: tuple[TtlRule, ...] = ()
    """Lifetimes by model, namespace, tag or path; the first that matches holds."""

    @model_validator(mode="after")
    def _default_within_max(self) -> "Ttl":
        if self.default_s > self.max_s:
            raise PydanticCustomError(
                "above_max", f"{self.default_s:g} is above max_s", {"at": ("default_s",)}
            )
        return self

    @model_validator(mode="after")
    def _kept_while_served(self) -> "Ttl":
        """What is dropped can no longer be served."""
        for name in ("stale_while_revalidate_s", "stale_if_error_s"):
            self._within_stale(getattr(self, name), name)
            for at, rule in enumerate(self.rules):
                self._within_stale(getattr(rule, name), "rules", at, name)
        return self

    def _within_stale(self, seconds: float | None, *at: str | int) -> None:
        if seconds is not None and seconds > self.stale_s:
            raise PydanticCustomError(
                "above_stale",
                f"{seconds:g} is above cache.ttl.stale_s",
                {"at": at},
            )


class TagRule(Section):
    """Tags for some entries. All conditions given must hold; one left out always holds."""

    model: Glob | None = None
    """Model name or pattern, such as `gpt-4o*`."""

    namespace: Glob | None = None
    """Namespace name or pattern; the default namespace has the empty name and matches `*` only."""

    tag: Glob | None = None
    """A tag that the caller gives the entry, or a pattern for one."""

    path: Glob | None = None
    """Path of the request or a pattern, such as `/v1/responses`."""

    tags: tuple[Tag, ...] = ()
    """What such entries are tagged with, beside their callers' tags."""


def _cron(text: str) -> str:
    try:
        if next(CronSim(text, datetime.now(UTC)), None) is None:
            raise ValueError("never comes")
    except CronSimError as error:
        raise ValueError(f"is no cron expression: {error}") from None
    return text


class ScheduledPurge(Section):
    """Entries that are forgotten again and again. All conditions given must hold."""

    cron: Annotated[str, Field(max_length=256), AfterValidator(_cron)] = "0 3 * * *"
    """When, in UTC: minute, hour, day of the month, month and day of the week, as in a crontab."""

    tags: tuple[Tag, ...] = ()
    """Entries that carry any of these tags."""

    model: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Entries of this model; a name, not a pattern."""

    namespace: Annotated[str, Field(max_length=256)] | None = None
    """Entries of this namespace; `""` is the one of requests that name none."""

    older_than_s: float | None = Field(default=None, ge=0, le=LONGEST_S)
    """Entries stored longer ago than so many seconds."""

    everything: bool = False
    """All entries; no other condition may be given with it."""

    @property
    def chosen(self) -> list[str]:
        """The conditions that are given."""
        given = {
            "tags": bool(self.tags),
            "model": self.model is not None,
            "namespace": self.namespace is not None,
            "older_than_s": self.older_than_s is not None,
        }
        return [name for name, is_given in given.items() if is_given]


def check(tags: Sequence[TagRule], purges: Sequence[ScheduledPurge]) -> None:
    """Refuse rules that do nothing, or more than their writer can have meant."""
    for at, rule in enumerate(tags):
        if not rule.tags:
            raise PydanticCustomError("no_tags", "is needed", {"at": ("tags", at, "tags")})
    for at, purge in enumerate(purges):
        if purge.everything and purge.chosen:
            where = ("purges", at, purge.chosen[0])
            raise PydanticCustomError("both", "contradicts everything: true", {"at": where})
        if not (purge.everything or purge.chosen):
            raise PydanticCustomError(
                "nothing",
                "chooses nothing: give a condition, or everything: true",
                {"at": ("purges", at)},
            )
