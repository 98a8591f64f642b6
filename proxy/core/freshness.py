"""How long an answer is fresh, and who may be served one that is not (RFC 9111, 4.2; RFC 5861)."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from proxy.core.model import Directives, Entry


def is_fresh(entry: Entry, now: float) -> bool:
    """Whether its lifetime is not over."""
    return now < entry.expires_at


def may_serve(entry: Entry, asked: Directives, now: float) -> bool:
    """Whether this entry's age is acceptable to this request (RFC 9111, 5.2.1.1 to 5.2.1.3)."""
    if now >= entry.kept_until:
        return False
    if asked.max_age is not None and now - entry.created_at > asked.max_age:
        return False
    left = entry.expires_at - now
    return left >= asked.min_fresh if left > 0 else -left <= asked.max_stale and asked.max_stale > 0


def may_serve_on_error(entry: Entry, asked: Directives, now: float) -> bool:
    """Whether it is acceptable in place of the origin's failure (RFC 5861, 4).

    "Regardless of other freshness information": `max-age` and `min-fresh` only move the moment from
    which staleness counts.
    """
    if may_serve(entry, asked, now):
        return True
    stale_from = entry.expires_at - asked.min_fresh
    if asked.max_age is not None:
        stale_from = min(stale_from, entry.created_at + asked.max_age)
    return now < entry.kept_until and now - stale_from <= asked.stale_if_error


@dataclass(frozen=True, slots=True)
class TtlRule:
    """A lifetime for some entries. All patterns given must match; None matches all."""

    ttl_s: float
    model: str | None = None
    namespace: str | None = None
    tag: str | None = None
    path: str | None = None

    def matches(self, *, model: str, namespace: str, tags: tuple[str, ...], path: str) -> bool:
        """Whether the rule holds for such an entry."""
        return (
            _fits(self.model, model)
            and _fits(self.namespace, namespace)
            and _fits(self.path, path)
            and (self.tag is None or any(_fits(self.tag, tag) for tag in tags))
        )


def _fits(pattern: str | None, value: str) -> bool:
    return pattern is None or fnmatchcase(value, pattern)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long entries live.

    Attributes:
        default_s: When neither a rule nor the request says otherwise.
        max_s: The most a request may ask for.
        stale_s: How long an expired entry is kept for callers who accept a stale one.
        rules: The first that matches holds.
    """

    default_s: float
    max_s: float
    stale_s: float = 0.0
    rules: tuple[TtlRule, ...] = ()

    def of(
        self, asked: Directives, *, model: str, namespace: str, path: str, now: float
    ) -> tuple[float, float]:
        """(expires_at, kept_until) of an entry stored now."""
        ttl_s = self.default_s
        for rule in self.rules:
            if rule.matches(model=model, namespace=namespace, tags=asked.tags, path=path):
                ttl_s = rule.ttl_s
                break
        if ttl_s == 0.0:
            return now, now  # the operator keeps such answers out, whatever the caller asks
        if asked.ttl is not None:
            ttl_s = min(asked.ttl, self.max_s)
        return now + ttl_s, now + ttl_s + self.stale_s
