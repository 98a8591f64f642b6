"""What the cache itself spends, counted: the other side of what it saves."""

from proxy.core.model import Usage
from proxy.core.spending import Part
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.prices import Prices


class Spending:
    """`core.spending.Ledger`: counts tokens, and what they cost.

    Args:
        prices: By which dollars are counted; another table may take their place.
        metrics: Has the series.
    """

    def __init__(self, prices: Prices, metrics: Metrics) -> None:
        self.prices = prices
        self._metrics = metrics

    def spent(self, part: Part, model: str, usage: Usage) -> None:
        """A call was answered; a model without a price costs nothing that could be told."""
        self._metrics.spent(part, usage, self.prices.usd(model, usage) or 0.0)
