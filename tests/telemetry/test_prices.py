"""What served tokens would have cost."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.telemetry import PRICES
from proxy.core.model import Usage
from proxy.telemetry.prices import MEMO_MODELS, Price, Prices

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
    assert prices.saved_usd("llama", Usage(1, 1)) is None
    assert prices.saved_usd("gpt-4o", None) is None


def test_saved() -> None:
    """Prices are per million tokens, prompt and answer apart."""
    prices = Prices({"gpt-4o": Price(2.5, 10)})

    assert prices.saved_usd("gpt-4o", Usage(1_000_000, 1_000_000)) == 12.5
    assert pytest.approx(0.00045) == prices.saved_usd("gpt-4o", Usage(100, 20))


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
    prices = Prices({name: Price(price.input, price.output) for name, price in PRICES.items()})

    assert Price(0.15, 0.6) == prices.price("gpt-4o-mini-2024-07-18")
    assert Price(0.5, 1.5) == prices.price("gpt-3.5-turbo-0125")
    assert prices.price("gpt-4o-audio-preview") is None
