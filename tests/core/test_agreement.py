import pytest

from proxy.core.agreement import (
    Agreement,
    Said,
    by_fact,
    by_probability,
    by_rule,
    is_readable,
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["Paris"], ["Paris"]),
        (["It is Paris."], ["it is  Paris"]),
        (['{"a": 1, "b": [2]}'], ['{"b":[2],"a":1.0}']),
        (["[1, 2]", "x"], ["[1,2]", "x"]),
    ],
)
def test_equal_is_equal(old: Said, new: Said) -> None:
    """In words but for case and spacing, in JSON but for its form."""
    assert by_rule(old, new) is Agreement.SAME


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (['{"a": 1}'], ['{"a": 2}']),
        (["Paris"], None),
        (None, None),
        (["Paris"], ["Paris", "Paris"]),
    ],
)
def test_what_needs_no_reading_differs(old: Said, new: Said) -> None:
    """Other JSON, a tool called, another number of choices."""
    assert by_rule(old, new) is Agreement.OTHER


@pytest.mark.parametrize(
    ("old", "new"), [(["Paris"], ["The capital is Paris"]), (["{not json"], ["{not json either"])]
)
def test_other_words_have_to_be_read(old: Said, new: Said) -> None:
    """No rule decides about wording."""
    assert by_rule(old, new) is None


def test_a_fact_that_differs_is_named() -> None:
    """In words that a person can check."""
    old, new = "You can return it within 30 days.", "You can return it within 14 days."

    assert by_fact(old, new) == "number 14 != 30"
    assert by_fact(old, "You may send it back within 30 days.") is None


def test_long_texts_are_not_read() -> None:
    """Guards and verifier see the whole of a text, or do not judge it."""
    assert is_readable("a " * 40, "b " * 40)
    assert not is_readable("a " * 60, "b " * 60)
    assert not is_readable("", "")
    assert not is_readable("a" * 2000, "b")


@pytest.mark.parametrize(
    ("probability", "agreement"),
    [
        (0.95, Agreement.SAME),
        (0.9, Agreement.SAME),
        (0.5, Agreement.UNSURE),
        (0.1, Agreement.OTHER),
        (1e-9, Agreement.OTHER),
        (0.0, Agreement.UNSURE),
    ],
)
def test_a_verifier_is_believed_when_it_is_sure(probability: float, agreement: Agreement) -> None:
    """It was taught with questions; and what it could not read at all accuses nobody."""
    assert by_probability(probability) is agreement
