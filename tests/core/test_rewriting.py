"""A conversation as a standalone question, or why it is none."""

import pytest

from proxy.core.conversation.turns import Turn
from proxy.core.rewriting import MOST_EARLIER, Kept, Standalone, standalone

CYCLE = "What is the water cycle?"
SAID = "Water rises, falls and flows back."


def talk(*turns: str) -> list[Turn]:
    """The user, the assistant, the user, and so on."""
    return [Turn("assistant" if n % 2 else "user", text) for n, text in enumerate(turns)]


def test_says_all_the_user_said() -> None:
    """The standalone question is every turn of the user's, a line each, and nothing else."""
    found = standalone(talk(CYCLE, SAID, "Who discovered it first?"))

    assert found == Standalone(f"{CYCLE}\nWho discovered it first?", (1, 1), answers=None)


def test_three_turns() -> None:
    """A follow-up to a follow-up stands with both."""
    found = standalone(talk(CYCLE, SAID, "What are its phases?", "Four.", "And in winter?"))

    assert found == Standalone(
        f"{CYCLE}\nWhat are its phases?\nAnd in winter?", (1, 1, 1), answers=None
    )


def test_tells_what_is_asked_last() -> None:
    """The same words with the turns parted elsewhere ask for another answer."""
    early = standalone(talk(f"{CYCLE}\nWho discovered it?", SAID, "What are its phases?"))
    late = standalone(talk(CYCLE, SAID, "Who discovered it? What are its phases?"))

    assert isinstance(early, Standalone)
    assert isinstance(late, Standalone)
    assert (early.shape, late.shape) == ((2, 1), (1, 2))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (CYCLE, "Can you expand on that?"),
        (CYCLE, "Which is the longest?"),
        ("What is the fastest car?", "Who makes it?"),
        ("Which city is it?", "How old is it?"),
    ],
)
def test_hangs_on_the_answer(first: str, last: str) -> None:
    """What points at an answer, or at what only an answer names, needs the very same answer."""
    found = standalone(talk(first, SAID, last))

    assert isinstance(found, Standalone)
    assert found.answers == (SAID,)


def test_hangs_on_what_the_assistant_asked() -> None:
    """After `the planet or the element?` a follow-up means what was offered."""
    found = standalone(talk("Tell me about Mercury", "The planet, or the element?", "Is it hot?"))

    assert isinstance(found, Standalone)
    assert found.answers == ("The planet, or the element?",)


@pytest.mark.parametrize("last", ["yes", "Yes, do it!", "the second one", "continue", "ok thanks"])
def test_replies_are_kept(last: str) -> None:
    """What means nothing alone keeps its conversation, whatever came before."""
    found = standalone(talk(CYCLE, SAID, last))

    assert isinstance(found, Kept)
    assert found.reason == f"means nothing alone: {last}"


@pytest.mark.parametrize("last", ["What is evaporation?", "Explain demand-pull inflation"])
def test_own_subjects_are_kept(last: str) -> None:
    """A new subject says nothing of why it comes up here: it keeps its conversation."""
    assert isinstance(standalone(talk(CYCLE, SAID, last)), Kept)


@pytest.mark.parametrize("last", ["Book it for two", "I live in Rome", "Could you call her?"])
def test_what_is_no_question_is_kept(last: str) -> None:
    """A statement or a command is about this conversation alone."""
    assert isinstance(standalone(talk(CYCLE, SAID, last)), Kept)


def test_a_reply_to_the_assistants_question_is_kept() -> None:
    """A phrase after a question may answer it."""
    asked = standalone(talk("What is the weather like?", "In which city?", "Rome"))

    assert asked == Kept("may be a reply to what the assistant asked")
    assert isinstance(standalone(talk(CYCLE, SAID, "phases")), Standalone)


@pytest.mark.parametrize(
    "turns",
    [
        (CYCLE,),
        ("I need a hotel", SAID, "How far is it?"),
        ("Hello", "Hello!", "How does it work?"),
        (CYCLE, SAID, "yes", SAID, "How does it work?"),
        (CYCLE, SAID, "What is rain?", SAID, "How does it work?"),
        (CYCLE, *(SAID, "Why is it so?") * (MOST_EARLIER + 1)),
    ],
)
def test_one_turn_that_is_not_understood_keeps_all(turns: tuple[str, ...]) -> None:
    """Every earlier turn must be understood, and there may be few."""
    assert isinstance(standalone(talk(*turns)), Kept)


def test_turns_without_answers() -> None:
    """Clients that send the user's turns alone are understood as well."""
    found = standalone([Turn("user", CYCLE), Turn("user", "What are its phases?")])

    assert found == Standalone(f"{CYCLE}\nWhat are its phases?", (1, 1), answers=None)
