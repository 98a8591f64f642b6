"""The operator's rules, as the core reads them: what may be kept, for how long, at what price.

A part of the composition root, apart for its size.
"""

from proxy.config import Config
from proxy.config import access as accesses
from proxy.config import telemetry as configured
from proxy.core.access import Key, Keys
from proxy.core.admission import Action, Admission
from proxy.core.directives import Limits
from proxy.core.freshness import Lifetimes, Rules, TtlRule
from proxy.core.purging import ScheduledPurge
from proxy.core.quotas import Terms
from proxy.core.tagging import TagRule
from proxy.telemetry.prices import Price, Prices, Rate


def of_entries(config: Config) -> Rules:
    """How long an entry is fresh, and kept, and which tags it gets."""
    chosen = config.cache.ttl
    lifetimes = Lifetimes(
        default_s=chosen.default_s,
        max_s=chosen.max_s,
        stale_s=chosen.stale_s,
        stale_while_revalidate_s=chosen.stale_while_revalidate_s,
        stale_if_error_s=chosen.stale_if_error_s,
        rules=tuple(TtlRule(**rule.model_dump()) for rule in chosen.rules),
    )
    return Rules(lifetimes, tuple(TagRule(**rule.model_dump()) for rule in config.cache.tags))


def purges(config: Config) -> tuple[ScheduledPurge, ...]:
    """What is forgotten at set times."""
    return tuple(ScheduledPurge(**purge.model_dump()) for purge in config.cache.purges)


def admission(config: Config) -> Admission:
    """What may enter the cache."""
    chosen = config.cache.admission
    return Admission(
        max_temperature=chosen.max_temperature,
        temperature=Action[chosen.temperature_action.upper()],
        time_words=chosen.time_words,
        time=Action[chosen.time_action.upper()],
        pii=Action[chosen.pii_action.upper()],
        tools=Action[chosen.tools_action.upper()],
        stored=Action[chosen.stored_action.upper()],
    )


def keys(config: Config) -> Keys:
    """The keys that callers must have one of; none where anybody may come."""
    return Keys(
        Key(
            key.name,
            key.digest,
            key.tenant or key.name,
            _terms(config.limits, key.requests_per_minute, key.concurrent_requests),
            key.namespaces,
            key.models,
        )
        for key in config.access.keys
    )


def terms(config: Config) -> Terms:
    """How much a caller may use of the proxy who has no key, or whose key says nothing of it."""
    return _terms(config.limits)


def _terms(
    limits: accesses.Limits, per_minute: float | None = None, concurrent: int | None = None
) -> Terms:
    """Those of a key, or in their place those of everybody."""
    own = per_minute or limits.requests_per_minute
    return Terms(own, limits.burst or max(1, own or 1), concurrent or limits.concurrent_requests)


def limits(config: Config, least: float | None) -> Limits:
    """What a caller may ask of the cache; `least`: the similarity needed where he says nothing."""
    return Limits(least, allow_looser=config.cache.vector.allow_looser_threshold)


def prices(config: Config) -> Prices:
    """What tokens cost, by model."""
    return Prices({name: _price(price) for name, price in config.telemetry.prices.items()})


def _price(chosen: configured.Price) -> Price:
    tiers = {
        name: Rate(tier.input, tier.output, tier.cached_input)
        for name, tier in chosen.service_tiers.items()
    }
    return Price(chosen.input, chosen.output, chosen.cached_input, tiers)
