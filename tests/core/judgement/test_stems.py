"""When two spellings are one word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.judgement.stems import akin, degrees, stem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cities", "city"),
        ("boxes", "box"),
        ("running", "run"),
        ("travelling", "traveled"),
        ("capitalised", "capitalize"),
        ("colours", "color"),
        ("centre", "center"),
        ("licence", "license"),
        ("bought", "buys"),
        ("children", "child"),
    ],
)
def test_forms_of_a_word_share_a_stem(one: str, other: str) -> None:
    """Number, tense and British or American spelling do not count."""
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("http", "https"), ("cat", "car"), ("new", "news")])
def test_other_words_do_not(one: str, other: str) -> None:
    """Words that only look like forms of one another stay apart."""
    assert stem(one) != stem(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("people", "pepole"), ("licence", "licecne"), ("migrate", "migration"), ("gen", "generation")],
)
def test_slips_and_families_are_akin(one: str, other: str) -> None:
    """A swapped letter, a derived form and an abbreviation are near enough."""
    assert akin(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [("python", "pythons!"), ("iran", "iraq"), ("gold", "god")]
)
def test_short_or_replaced_letters_are_not(one: str, other: str) -> None:
    """Short words and replaced letters are how names differ."""
    assert akin(one, other) is (one == "python")


@given(one=st.text(max_size=12), other=st.text(max_size=12))
def test_akin_is_symmetric_and_never_fails(one: str, other: str) -> None:
    """Any two texts, either way round."""
    assert akin(one, other) == akin(other, one)
    assert akin(stem(one), stem(one))


def test_degrees_of_an_adjective() -> None:
    """Doubling, y and e are spelt as English spells them."""
    assert [degrees(w) for w in ("big", "easy", "large", "low")] == [
        ("bigger", "biggest"),
        ("easier", "easiest"),
        ("larger", "largest"),
        ("lower", "lowest"),
    ]
