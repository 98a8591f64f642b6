"""The operator's rules, as the core reads them: what may be kept, for how long, at what price.

A part of the composition root, apart for its size.
"""

from proxy.config import Config
from proxy.core.admission import Action, Admission
from proxy.core.directives import Limits
from proxy.core.freshness import Lifetimes, TtlRule
from proxy.telemetry.prices import Price, Prices


def lifetimes(config: Config) -> Lifetimes:
    """How long an entry is fresh, and kept."""
    ttl = config.cache.ttl
    rules = tuple(
        TtlRule(rule.ttl_s, rule.model, rule.namespace, rule.tag, rule.path) for rule in ttl.rules
    )
    return Lifetimes(ttl.default_s, ttl.max_s, ttl.stale_s, rules)


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


def limits(config: Config, least: float | None) -> Limits:
    """What a caller may ask of the cache; `least`: the similarity needed where he says nothing."""
    return Limits(least, allow_looser=config.cache.vector.allow_looser_threshold)


def prices(config: Config) -> Prices:
    """What tokens cost, by model."""
    table = config.telemetry.prices
    return Prices({name: Price(price.input, price.output) for name, price in table.items()})
