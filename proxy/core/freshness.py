"""How long an answer is fresh, and who may be served one that is not (RFC 9111, 4.2; RFC 5861)."""

from dataclasses import dataclass, replace

from proxy.core.matching import Conditions
from proxy.core.model import Directives, Entry, Scope
from proxy.core.tagging import TagRule, tagged


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


def may_serve_while_refreshed(entry: Entry, asked: Directives, now: float) -> bool:
    """Whether it is acceptable at once if a fresh answer is fetched meanwhile (RFC 5861, 3).

    The operator says for how long; a request that states limits of its own is held to those. One
    that may not ask the origin, or not have its answer stored, can bring no fresh one.
    """
    states_limits = asked.max_age is not None or asked.min_fresh > 0
    if states_limits or asked.only_if_cached or not asked.write:
        return False
    window = asked.stale_while_revalidate
    if asked.max_stale:
        window = min(window, asked.max_stale)
    return window > 0 and now < entry.kept_until and 0 <= now - entry.expires_at <= window


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
    return now < entry.kept_until and now - stale_from <= (asked.stale_if_error or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TtlRule(Conditions):
    """How long some entries live.

    Attributes:
        ttl_s: Seconds they are fresh.
        stale_while_revalidate_s, stale_if_error_s: As `Lifetimes` has them; None takes its.
    """

    ttl_s: float
    stale_while_revalidate_s: float | None = None
    stale_if_error_s: float | None = None


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long entries live.

    Attributes:
        default_s: When neither a rule nor the request says otherwise.
        max_s: The most a request may ask for.
        stale_s: How long an expired entry is kept for callers who accept a stale one.
        stale_while_revalidate_s: How long after its expiry one is served while it is refreshed.
        stale_if_error_s: How long after its expiry one stands in for the origin's failure, for
            requests that do not say.
        rules: The first that holds decides.
    """

    default_s: float
    max_s: float
    stale_s: float = 0.0
    stale_while_revalidate_s: float = 0.0
    stale_if_error_s: float = 0.0
    rules: tuple[TtlRule, ...] = ()

    def of(self, asked: Directives, scope: Scope, path: str, now: float) -> tuple[float, float]:
        """(expires_at, kept_until) of an entry stored now."""
        rule = self._rule(asked, scope, path)
        ttl_s = self.default_s if rule is None else rule.ttl_s
        if ttl_s == 0.0:
            return now, now  # the operator keeps such answers out, whatever the caller asks
        if asked.ttl is not None:
            ttl_s = min(asked.ttl, self.max_s)
        return now + ttl_s, now + ttl_s + self.stale_s

    def ruled(self, asked: Directives, scope: Scope, path: str) -> Directives:
        """With the staleness that is allowed, and no leave to store what would not live at all."""
        rule = self._rule(asked, scope, path)
        while_s, error_s = self.stale_while_revalidate_s, self.stale_if_error_s
        if rule is not None and rule.stale_while_revalidate_s is not None:
            while_s = rule.stale_while_revalidate_s
        if rule is not None and rule.stale_if_error_s is not None:
            error_s = rule.stale_if_error_s
        if asked.stale_if_error is None and error_s:
            asked = replace(asked, stale_if_error=error_s)
        if asked.stale_while_revalidate != while_s:
            asked = replace(asked, stale_while_revalidate=while_s)
        if asked.write and rule is not None and rule.ttl_s == 0.0:
            asked = replace(asked, write=False)
        return asked

    def _rule(self, asked: Directives, scope: Scope, path: str) -> TtlRule | None:
        model, namespace = scope.model, scope.namespace
        for rule in self.rules:
            if rule.hold(model=model, namespace=namespace, path=path, tags=asked.tags):
                return rule
        return None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator says of entries.

    Attributes:
        lifetimes: How long they live.
        tags: Which tags they get, beside their callers'.
    """

    lifetimes: Lifetimes
    tags: tuple[TagRule, ...] = ()

    def ruled(self, asked: Directives, scope: Scope, path: str) -> Directives:
        """What a request asks under these rules; ruled twice is ruled once.

        It has the tags of all rules that hold, which rules for lifetimes see; the staleness that is
        allowed it; and its answer is not stored where it would be stale at once.
        """
        if self.tags:
            model, namespace = scope.model, scope.namespace
            tags = tagged(asked.tags, self.tags, model=model, namespace=namespace, path=path)
            asked = replace(asked, tags=tags)
        return self.lifetimes.ruled(asked, scope, path)
