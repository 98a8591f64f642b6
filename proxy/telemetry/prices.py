"""What tokens cost.

The most specific name holds: the model's own, then its name without a date, then the pattern with
the most plain characters. The order of the table does not matter.

A model's standard price holds for every tier of service that has none of its own, and the price of
input for what an origin had in its cache, where that has none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from proxy.core.model import Usage

MILLION = 1_000_000

_DATE = re.compile(r"-(?:20\d\d-?\d\d-?\d\d|[01]\d[0-3]\d)$")
"""`gpt-4o-2024-08-06`, `gpt-3.5-turbo-0125`."""

_WILD = re.compile(r"\[[^]]*\]|[*?]")

MEMO_MODELS = 1000
"""Names come from callers, so what is remembered of them has a bound."""


@dataclass(frozen=True, slots=True)
class Rate:
    """USD per million tokens.

    Attributes:
        input: Of the prompt.
        output: Of the answer.
        cached_input: Of the prompt, what the origin had in its cache; None where that costs as
            much as the rest.
    """

    input: float
    output: float
    cached_input: float | None = None

    def usd(self, usage: Usage) -> float:
        """What these tokens cost."""
        cached_input = self.input if self.cached_input is None else self.cached_input
        anew = usage.prompt - usage.cached
        parts = anew * self.input + usage.cached * cached_input + usage.completion * self.output
        return parts / MILLION


@dataclass(frozen=True, slots=True)
class Price(Rate):
    """A model's standard rate, and those of other tiers of service, by the origin's name."""

    service_tiers: Mapping[str, Rate] = field(default_factory=dict)

    def rate(self, service_tier: str) -> Rate:
        """The rate of a tier; the standard one where it has none of its own."""
        return self.service_tiers.get(service_tier, self)


class Prices:
    """Prices by model.

    Args:
        table: By name or pattern (`*`, `?`, `[...]`; case matters).
    """

    def __init__(self, table: Mapping[str, Price]) -> None:
        self._table = dict(table)
        self._patterns = sorted(
            (name for name in table if _WILD.search(name)), key=_specificity, reverse=True
        )
        self._memo: dict[str, Price | None] = {}

    def price(self, model: str) -> Price | None:
        """The model's price; None when the table has none for it."""
        if model not in self._memo:
            if len(self._memo) >= MEMO_MODELS:
                self._memo.clear()
            self._memo[model] = self._find(model)
        return self._memo[model]

    def usd(self, model: str, usage: Usage | None) -> float | None:
        """What these tokens cost, or would have; None without a count or a price."""
        price = self.price(model)
        if usage is None or price is None:
            return None
        return price.rate(usage.service_tier).usd(usage)

    def _find(self, model: str) -> Price | None:
        names = (model, _DATE.sub("", model))
        patterns = (name for name in self._patterns if fnmatchcase(model, name))
        found = next((name for name in (*names, *patterns) if name in self._table), None)
        return self._table[found] if found is not None else None


def _specificity(pattern: str) -> int:
    return len(_WILD.sub("", pattern))
