"""What the proxy says about itself: logs, metrics, and what a saved token is worth."""

from typing import Annotated, Literal

from pydantic import Field

from proxy.config.section import AtStart, Section

Usd = Annotated[float, Field(ge=0, le=1_000_000)]
"""US dollars."""


class Rate(Section):
    """What tokens cost at one tier of service."""

    input: Usd = 0
    """USD per million tokens of the prompt."""

    cached_input: Usd | None = None
    """USD per million tokens of the prompt that the origin had in its cache; null: as `input`."""

    output: Usd = 0
    """USD per million tokens of the answer."""


class Price(Rate):
    """What a model's tokens cost."""

    service_tiers: dict[Annotated[str, Field(min_length=1, max_length=32)], Rate] = Field({})
    """Other rates, by the `service_tier` that an answer names or a request asks for.

    Such as flex, priority or batch; one without a rate of its own costs the standard one.
    """


def _rate(input_usd: float, output_usd: float, cached_usd: float | None = None) -> Rate:
    return Rate(input=input_usd, cached_input=cached_usd, output=output_usd)


def _price(
    input_usd: float, output_usd: float, cached_usd: float | None = None, **tiers: Rate
) -> Price:
    return Price(input=input_usd, cached_input=cached_usd, output=output_usd, service_tiers=tiers)


# OpenAI's list prices for text as of March 2026, with those of its flex and priority tiers. A dated
# model name such as gpt-4o-2024-08-06 has its undated name's price unless it has a line of its own.
PRICES = {
    "gpt-5.4": _price(2.5, 15, 0.25, priority=_rate(5, 30, 0.5)),
    "gpt-5.2": _price(1.75, 14, 0.175, priority=_rate(3.5, 28, 0.35)),
    "gpt-5.1": _price(1.25, 10, 0.125, priority=_rate(2.5, 20, 0.25)),
    "gpt-5": _price(1.25, 10, 0.125, flex=_rate(0.625, 5, 0.0625), priority=_rate(2.5, 20, 0.25)),
    "gpt-5-mini": _price(
        0.25, 2, 0.025, flex=_rate(0.125, 1, 0.0125), priority=_rate(0.45, 3.6, 0.045)
    ),
    "gpt-5-nano": _price(0.05, 0.4, 0.005, flex=_rate(0.025, 0.2, 0.0025)),
    "gpt-5-pro": _price(15, 120),
    "gpt-4.1": _price(2, 8, 0.5, priority=_rate(3.5, 14, 0.875)),
    "gpt-4.1-mini": _price(0.4, 1.6, 0.1, priority=_rate(0.7, 2.8, 0.175)),
    "gpt-4.1-nano": _price(0.1, 0.4, 0.025, priority=_rate(0.2, 0.8, 0.05)),
    "gpt-4o": _price(2.5, 10, 1.25, priority=_rate(4.25, 17, 2.125)),
    "gpt-4o-2024-05-13": _price(5, 15, priority=_rate(8.75, 26.25)),
    "gpt-4o-mini": _price(0.15, 0.6, 0.075, priority=_rate(0.25, 1, 0.125)),
    "o4-mini": _price(1.1, 4.4, 0.275, flex=_rate(0.55, 2.2, 0.138), priority=_rate(2, 8, 0.5)),
    "o3": _price(2, 8, 0.5, flex=_rate(1, 4, 0.25), priority=_rate(3.5, 14, 0.875)),
    "o3-mini": _price(1.1, 4.4, 0.55),
    "o1": _price(15, 60, 7.5),
    "gpt-4-turbo": _price(10, 30),
    "gpt-4": _price(30, 60),
    "gpt-3.5-turbo": _price(0.5, 1.5),
    "text-embedding-3-small": _price(0.02, 0),
    "text-embedding-3-large": _price(0.13, 0),
    "text-embedding-ada-002": _price(0.1, 0),
}


class Telemetry(Section):
    """What the proxy says about itself. Prompts, answers, keys and vectors are never in it."""

    log_format: AtStart[Literal["auto", "json", "console"]] = "auto"
    """`json` lines, `console` lines for people, or `auto`: console on a terminal, else JSON."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written; `info` has one line a request."""

    metrics: bool = True
    """Serve Prometheus metrics at `/metrics`."""

    traces: AtStart[bool] = False
    """Send OpenTelemetry traces by OTLP over HTTP, as the standard `OTEL_*` variables say.

    Needs the extra: `pip install 'reprise[otel]'`.
    """

    count_tokens: AtStart[bool] = True
    """Count the tokens of answers whose origin did not, to say what was saved.

    The tokenizer's vocabulary is downloaded once, in the background. Without it, or switched off,
    tokens are estimated from the text's length, and nothing is downloaded.
    """

    prices: dict[Annotated[str, Field(min_length=1, max_length=256)], Price] = PRICES
    """USD per million tokens by model name or pattern; the most specific name holds.

    A table given here takes the place of the shipped one. A model without a price saves nothing,
    and costs nothing.
    """
