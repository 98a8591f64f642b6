"""What served tokens would have cost.

The most specific name holds: the model's own, then its name without a date, then the pattern with
the most plain characters. The order of the table does not matter.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from proxy.core.model import Usage

MILLION = 1_000_000

_DATE = re.compile(r"-(?:20\d\d-?\d\d-?\d\d|[01]\d[0-3]\d)$")
"""`gpt-4o-2024-08-06`, `gpt-3.5-turbo-0125`."""

_WILD = re.compile(r"\[[^]]*\]|[*?]")

MEMO_MODELS = 1000
"""Names come from callers, so what is remembered of them has a bound."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens: of the prompt, of the answer."""

    input: float
    output: float


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

    def saved_usd(self, model: str, usage: Usage | None) -> float | None:
        """What these tokens would have cost; None without a count or a price."""
        price = self.price(model)
        if usage is None or price is None:
            return None
        return (usage.prompt * price.input + usage.completion * price.output) / MILLION

    def _find(self, model: str) -> Price | None:
        names = (model, _DATE.sub("", model))
        patterns = (name for name in self._patterns if fnmatchcase(model, name))
        found = next((name for name in (*names, *patterns) if name in self._table), None)
        return self._table[found] if found is not None else None


def _specificity(pattern: str) -> int:
    return len(_WILD.sub("", pattern))
