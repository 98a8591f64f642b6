"""What served tokens would have cost."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Config
from proxy.core.model import Usage
from proxy.parts import rules
from proxy.telemetry.prices import MEMO_MODELS, Price, Prices, Rate

TABLE = {
    "*": Price(1, 1),
    "gpt-4o*": Price(2, 2),
    "gpt-4o-mini*": Price(3, 3),
    "gpt-4o": Price(4, 4),
    "gpt-4o-2024-05-13": Price(5, 5),
    "o[13]": Price(6, 6),
}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o", 4),
        ("gpt-4o-2024-05-13", 5),
        ("gpt-4o-2024-08-06", 4),
        ("gpt-4o-20240806", 4),
        ("gpt-4o-0806", 4),
        ("gpt-4o-mini-2024-07-18", 3),
        ("gpt-4o-audio", 2),
        ("o3", 6),
        ("o2", 1),
        ("GPT-4o", 1),
        ("", 1),
    ],
)
def test_most_specific_name_holds(model: str, expected: float) -> None:
    """The model's own name, then the name without its date, then the longest pattern."""
    for order in itertools.islice(itertools.permutations(TABLE.items()), 0, 720, 97):
        assert Price(expected, expected) == Prices(dict(order)).price(model)


def test_no_price() -> None:
    """A model that the table does not know saves nothing that could be told."""
    prices = Prices({"gpt-4o": Price(1, 2)})

    assert prices.price("llama") is None
    assert prices.usd("llama", Usage(1, 1)) is None
    assert prices.usd("gpt-4o", None) is None


def test_saved() -> None:
    """Prices are per million tokens, prompt and answer apart."""
    prices = Prices({"gpt-4o": Price(2.5, 10)})

    assert prices.usd("gpt-4o", Usage(1_000_000, 1_000_000)) == 12.5
    assert pytest.approx(0.00045) == prices.usd("gpt-4o", Usage(100, 20))


def test_names_from_callers_do_not_pile_up() -> None:
    """Whatever names callers invent, few are remembered, and answers stay right."""
    prices = Prices(TABLE)
    for number in range(3 * MEMO_MODELS):
        assert Price(1, 1) == prices.price(f"made-up-{number}")

    assert len(prices._memo) <= MEMO_MODELS


@given(st.text())
def test_any_name(model: str) -> None:
    """No name is an error."""
    assert Prices({"*": Price(1, 1)}).price(model) == Price(1, 1)


def test_shipped_prices() -> None:
    """The shipped table prices a dated name of today's models."""
    prices = rules.prices(Config())
    mini = Price(0.15, 0.6, 0.075, {"priority": Rate(0.25, 1, 0.125)})

    assert mini == prices.price("gpt-4o-mini-2024-07-18")
    assert Price(0.5, 1.5) == prices.price("gpt-3.5-turbo-0125")
    assert prices.price("gpt-4o-audio-preview") is None


def test_what_the_origin_had_cached_costs_less() -> None:
    """By its own price; by that of all input where there is none."""
    usage = Usage(1_000_000, 0, cached=400_000)

    assert Prices({"m": Price(2.5, 10, 1.25)}).usd("m", usage) == pytest.approx(2.0)
    assert Prices({"m": Price(2.5, 10, 0)}).usd("m", usage) == pytest.approx(1.5)
    assert Prices({"m": Price(2.5, 10)}).usd("m", usage) == 2.5


@pytest.mark.parametrize(
    ("tier", "expected"),
    [("flex", 5.5), ("priority", 22.5), ("default", 11.25), ("", 11.25), ("scale", 11.25)],
)
def test_tiers_of_service_have_their_own_rates(tier: str, expected: float) -> None:
    """All three of them; a tier that the table does not name costs the standard one."""
    tiers = {"flex": Rate(0.5, 5), "priority": Rate(2.5, 20)}
    prices = Prices({"m": Price(1.25, 10, 0.125, tiers)})

    assert prices.usd("m", Usage(1_000_000, 1_000_000, service_tier=tier)) == expected


@given(
    prompt=st.integers(0, 10**7),
    cached=st.integers(0, 10**7),
    said=st.integers(0, 10**7),
    price=st.builds(Price, *[st.floats(0, 100)] * 2),
)
def test_cached_input_never_makes_it_dearer(
    prompt: int, cached: int, said: int, price: Price
) -> None:
    """As long as its price is no higher; and nothing costs less than nothing."""
    cached = min(cached, prompt)
    cheap = Prices({"m": Price(price.input, price.output, price.input / 10)})
    here = cheap.usd("m", Usage(prompt, said, cached=cached))
    plain = cheap.usd("m", Usage(prompt, said))

    assert here is not None
    assert plain is not None
    assert 0 <= here <= plain * (1 + 1e-12)


def test_every_shipped_price_is_plausible() -> None:
    """Cached input costs less than input, flex less than the standard rate, priority more."""
    for name, price in Config().telemetry.prices.items():
        for rate in (price, *price.service_tiers.values()):
            assert rate.cached_input is None or 0 < rate.cached_input < rate.input, name
        if (flex := price.service_tiers.get("flex")) is not None:
            assert (flex.input, flex.output) == (price.input / 2, price.output / 2), name
        if (priority := price.service_tiers.get("priority")) is not None:
            assert priority.input > price.input, name
            assert priority.output > price.output, name
