"""What a reading holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.judgement.reading import read
from proxy.core.judgement.residue import residue


@pytest.mark.parametrize(
    "text", ["", " ", "?!", "\x00", "'s", "n't", "-", "24x7", "a" * 5000, "\ud800"]
)
def test_any_text_can_be_read(text: str) -> None:
    """Odd texts give an empty reading, not an error."""
    assert read(text).text == text


@given(text=st.text())
def test_reading_never_fails_and_is_repeatable(text: str) -> None:
    """The same text always reads the same."""
    assert read(text) == read(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't", ("i", "do", "not")),
        ("what\u2019s it", ("what", "is", "it")),
        ("Node.js and tar", ("node", "and", "tar")),
        ("the U.S.", ("the", "usa")),
        ("can't", ("can", "not")),
    ],
)
def test_short_forms_are_spelt_out(text: str, words: tuple[str, ...]) -> None:
    """Contractions, product suffixes and dotted initials."""
    assert read(text).words == words


def test_a_possessor_is_not_a_contraction() -> None:
    """`customer's` owns; `what's` asks."""
    assert read("the customer's bill").owners == {"customer"}
    assert read("what's it").owners == set()


def test_a_capital_tells_only_inside_a_sentence_in_lower_case() -> None:
    """The first word and a text in capitals name nobody."""
    assert read("Ask about Berlin").names == {"berlin"}
    assert read("Ask About The Berlin Wall").names == set()


def test_faint_languages_need_a_hint() -> None:
    """`go` is a verb, `Go` or `in go` a language."""
    assert read("where did they go").code_languages == set()
    assert read("sort a list in go").code_languages == {"go"}
    assert read("Rust: sort a list").code_languages == {"rust"}


def test_a_chain_keeps_order_and_little_else() -> None:
    """Joins are one sign, ends another; articles, quotes and ordinal suffixes are left out."""
    text = 'Please: is the "8th", or (maybe) the A/B, it?'
    assert read(text).chain == (".", "be", "8", "&", "mayb", "&", "b", "&", "it", ".")


def test_a_measure_is_a_number_with_its_unit() -> None:
    """A unit that is one of two, as in `miles per hour`, is none of its own."""
    assert read("run 5 km in two hours").measures == {("5", "kilometre"), ("2", "hour")}
    assert read("drive 80 miles per hour").measures == set()


def test_accents_do_not_count() -> None:
    """A keyboard without them asks the same question."""
    assert read("caf\u00e9 cr\u00e8me").words == ("cafe", "creme")


def test_what_a_question_covers() -> None:
    """Synonyms, joined words, short and long names, misspellings leave no residue."""
    old = read("How do I purchase a lap top in New York with Kubernetes quickly?")
    new = read("How do I buy a laptop in NYC with k8s quikcly?")
    assert residue(new.content, new, old) == []


def test_what_it_does_not() -> None:
    """Another thing is left over."""
    new, old = read("How long do cats live?"), read("How long do dogs live?")
    assert residue(new.content, new, old) == ["cat"]
