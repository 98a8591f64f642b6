"""Joined parts put in the order of another question."""

import pytest

from proxy.core.judgement.joined import MOST_JOINS, reordered
from proxy.core.judgement.reading import read


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("tea or coffee", "coffee or tea"),
        ("Is tea, coffee or milk best?", "Is milk, coffee or tea best?"),
        ("Is soft water or hard water best?", "Is hard water or soft water best?"),
        (
            "Do cats in barns and dogs in houses sleep?",
            "Do dogs in houses and cats in barns sleep?",
        ),
        ("Is IKEA (Sweden) big?", "Is Sweden (IKEA) big?"),
    ],
)
def test_joined_parts_may_stand_in_any_order(text: str, goal: str) -> None:
    """A permutation of what `and`, `or`, commas and brackets join is found."""
    assert reordered(read(text).chain, read(goal).chain) == read(goal).chain


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("Did Ann hire Bob?", "Did Bob hire Ann?"),
        ("Is banning coins and printing notes wise?", "Is printing coins and banning notes wise?"),
        ("Call Ann. Or write to Bob.", "Call Bob. Or write to Ann."),
    ],
)
def test_nothing_else_is_reordered(text: str, goal: str) -> None:
    """Only whole parts beside a join move, and never over the end of a sentence."""
    assert reordered(read(text).chain, read(goal).chain) != read(goal).chain


def test_a_story_is_left_as_it_is() -> None:
    """A text with very many joins costs nothing: it is not taken apart."""
    names = [f"w{chr(97 + at)}" for at in range(MOST_JOINS + 2)]
    text, goal = ", ".join(names), ", ".join(reversed(names))
    assert reordered(read(text).chain, read(goal).chain) == read(text).chain


def test_a_new_word_in_front_of_a_part_does_not_hide_it() -> None:
    """`A republic or a true democracy` is `a democracy or a republic`, but for a word."""
    text, goal = "Is it a republic or a democracy?", "Is it a true democracy or a republic?"
    assert (
        reordered(read(text).chain, read(goal).chain)
        == read("Is it a democracy or republic?").chain
    )
