"""Numbers, units and dates in one form."""

import pytest

from proxy.core.judgement.reading import read


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,000", {"1000"}),
        ("1k", {"1000"}),
        ("one thousand", {"1000"}),
        ("two hundred and fifty", {"250"}),
        ("twenty-five", {"25"}),
        ("five million", {"5000000"}),
        ("3.5 lakh", {"350000"}),
        ("1990s", {"1990s"}),
        ("1/2", {"0.5"}),
        ("315/107/3.5", {"315", "107", "3.5"}),
        ("5-10", {"5", "10"}),
        ("-5", {"-5"}),
        ("minus 5", {"-5"}),
        ("the 22nd", {"22"}),
        ("the twelfth", {"12"}),
        ("twice", {"2"}),
        ("Rocky IV", {"4"}),
        ("an IV drip and a CD", {"4"}),
        ("v1.2", {"1.2"}),
        ("24/7", {"24"}),
        ("no number", set()),
    ],
)
def test_a_number_has_one_form(text: str, numbers: set[str]) -> None:
    """Figures, words, ordinals, fractions and magnitudes meet."""
    assert read(text).numbers == numbers


def test_a_faint_number_is_kept_apart() -> None:
    """`one` may be a pronoun, so it is not held against a question that has no number."""
    reading = read("the first one")
    assert not reading.numbers
    assert reading.faint_numbers == {"1"}


def test_a_number_too_long_to_be_exact_is_an_identifier() -> None:
    """Two long order numbers are never rounded into one."""
    one, other = read("order 12345678901234567"), read("order 12345678901234568")
    assert one.identifiers != other.identifiers


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("5km", {"kilometre"}),
        ("5 m", {"metre"}),
        ("K2 height (ft)", {"foot"}),
        ("90 km/h", {"kilometre", "hour"}),
        ("90 mph", {"mile", "hour"}),
        ("30 \u20ac", {"euro"}),
        ("20 \u00b0C", {"celsius"}),
        ("20 degrees Celsius", {"celsius"}),
        ("40 square metres", {"square metre"}),
        ("40 m\u00b2", {"square metre"}),
        ("a 2-month-old", {"month"}),
        ("price per pound", {"pound"}),
        ("in India", set()),
        ("a pound of flesh", {"pound"}),
        ("he will pound it", set()),
    ],
)
def test_a_unit_has_one_form(text: str, units: set[str]) -> None:
    """Symbols, plurals and compounds meet; ordinary words are no units."""
    assert read(text).units == units


@pytest.mark.parametrize(
    ("text", "calendar", "numbers"),
    [
        ("2023-01-02", {"month 1"}, {"2023", "2"}),
        ("Jan 2, 2023", {"month 1"}, {"2023", "2"}),
        ("2nd of January 2023", {"month 1"}, {"2023", "2"}),
        ("13/02/2023", {"month 2"}, {"2023", "13"}),
        ("02/13/23", {"month 2"}, {"2023", "13"}),
        ("13/02/99", {"month 2"}, {"1999", "13"}),
        ("13.02.2023", {"month 2"}, {"2023", "13"}),
        ("01/02/2023", set(), {"2023", "1", "2"}),
        ("5:30 pm", {"17:30:00"}, set()),
        ("12 am", {"00:00:00"}, set()),
        ("17:30", {"17:30:00"}, set()),
        ("on Fridays", {"friday"}, set()),
        ("Friday's", {"friday"}, set()),
        ("next week", {"next week"}, set()),
        ("in may", {"month 5"}, set()),
        ("may I", set(), set()),
    ],
)
def test_a_date_is_read_into_its_parts(text: str, calendar: set[str], numbers: set[str]) -> None:
    """All ways of writing a date that say the same meet; an ambiguous one names no month."""
    reading = read(text)
    assert reading.calendar == calendar
    assert reading.numbers == numbers


def test_an_operator_counts_only_between_numbers() -> None:
    """A dash or a slash in prose is no arithmetic."""
    assert read("17 x 3").operators == {"*"}
    assert read("pros - cons and/or 5-10").operators == set()
