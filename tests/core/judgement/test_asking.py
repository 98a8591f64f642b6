"""What a question asks for."""

import pytest

from proxy.core.judgement.asking import NOUNS, ROOTS, asks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("when did it end", {"when"}),
        ("in what year did it end", {"when", "year"}),
        ("which italian city is it", {"where", "city"}),
        ("what is the name of the river", {"where", "river"}),
        ("who is the main actor", {"who", "person", "actor"}),
        ("how many came", {"how many"}),
        ("what makes people sad", set()),
        ("tell me the day when it ended", set()),
        ("", set()),
    ],
)
def test_what_is_asked_for(text: str, expected: set[str]) -> None:
    """The interrogative at the beginning, and the noun that it asks for."""
    assert asks(text.split()) == expected


def test_a_noun_is_also_what_it_is_a_kind_of() -> None:
    """So `where` never stands against `which city`."""
    assert all(kinds & ROOTS for kinds in NOUNS.values())
