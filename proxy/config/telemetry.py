"""What the proxy says about itself: logs, metrics, and what a saved token is worth."""

from typing import Annotated, Literal

from pydantic import Field

from proxy.config.section import Section

Usd = Annotated[float, Field(ge=0, le=1_000_000)]
"""US dollars."""


class Price(Section):
    """What a model's tokens cost."""

    input: Usd = 0
    """USD per million tokens of the prompt."""

    output: Usd = 0
    """USD per million tokens of the answer."""


def _price(input_usd: float, output_usd: float) -> Price:
    return Price(input=input_usd, output=output_usd)


# OpenAI's list prices for text, without discounts, as of March 2026. A dated model name such as
# gpt-4o-2024-08-06 has its undated name's price unless it has a line of its own.
PRICES = {
    "gpt-5.4": _price(2.5, 15),
    "gpt-5.2": _price(1.75, 14),
    "gpt-5.1": _price(1.25, 10),
    "gpt-5": _price(1.25, 10),
    "gpt-5-mini": _price(0.25, 2),
    "gpt-5-nano": _price(0.05, 0.4),
    "gpt-5-pro": _price(15, 120),
    "gpt-4.1": _price(2, 8),
    "gpt-4.1-mini": _price(0.4, 1.6),
    "gpt-4.1-nano": _price(0.1, 0.4),
    "gpt-4o": _price(2.5, 10),
    "gpt-4o-2024-05-13": _price(5, 15),
    "gpt-4o-mini": _price(0.15, 0.6),
    "o4-mini": _price(1.1, 4.4),
    "o3": _price(2, 8),
    "o3-mini": _price(1.1, 4.4),
    "o1": _price(15, 60),
    "gpt-4-turbo": _price(10, 30),
    "gpt-4": _price(30, 60),
    "gpt-3.5-turbo": _price(0.5, 1.5),
    "text-embedding-3-small": _price(0.02, 0),
    "text-embedding-3-large": _price(0.13, 0),
    "text-embedding-ada-002": _price(0.1, 0),
}


class Telemetry(Section):
    """What the proxy says about itself. Prompts, answers, keys and vectors are never in it."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """`json` lines, `console` lines for people, or `auto`: console on a terminal, else JSON."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written; `info` has one line a request."""

    metrics: bool = True
    """Serve Prometheus metrics at `/metrics`."""

    traces: bool = False
    """Send OpenTelemetry traces by OTLP over HTTP, as the standard `OTEL_*` variables say.

    Needs the extra: `pip install 'reprise[otel]'`.
    """

    count_tokens: bool = True
    """Count the tokens of answers whose origin did not, to say what was saved.

    The tokenizer's vocabulary is downloaded once, in the background. Without it, or switched off,
    tokens are estimated from the text's length, and nothing is downloaded.
    """

    prices: dict[Annotated[str, Field(min_length=1, max_length=256)], Price] = PRICES
    """USD per million tokens by model name or pattern; the most specific name holds.

    A table given here takes the place of the shipped one. A model without a price saves nothing.
    """
