"""When a model may write a conversation's question, and when what it wrote is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.conversation.turns import MOST_CHARS, Turn
from proxy.core.conversation.writing import (
    MOST_ANSWER_CHARS,
    MOST_EARLIER,
    shown,
    why_unfaithful,
    why_unwritable,
)

CYCLE = "What is the water cycle?"
SAID = "Water rises in Peru and falls in 1900 places."


def talk(*turns: str) -> list[Turn]:
    """The user, the assistant, the user, and so on."""
    return [Turn("assistant" if n % 2 else "user", text) for n, text in enumerate(turns)]


@pytest.mark.parametrize(
    "turns",
    [
        pytest.param((CYCLE, SAID, "What is evaporation?"), id="a subject of its own"),
        pytest.param((CYCLE, *(SAID, "How long is it?") * 5), id="many turns"),
        pytest.param(
            (CYCLE, "In which place?", "Peru", SAID, "How long is it?"), id="a reply before"
        ),
        pytest.param(
            ("Vad är en cykel?", SAID, "Och hur länge varar det då i Norden?"), id="Swedish"
        ),
        pytest.param(("水循環とは何ですか\uff1f", SAID, "冬はどうですか\uff1f"), id="Japanese"),
    ],
)
def test_what_asks_may_be_written(turns: tuple[str, ...]) -> None:
    """A conversation of questions that no rule resolves is put to the model."""
    assert why_unwritable(talk(*turns)) is None


@pytest.mark.parametrize("last", ["yes", "the second one", "continue", "Yes. What is it?"])
def test_replies_are_not_written(last: str) -> None:
    """What means nothing alone means what the assistant offered, and no model is asked."""
    assert why_unwritable(talk(CYCLE, SAID, last)) == "a turn that is not plainly a question"


@pytest.mark.parametrize("last", ["Book it", "Could you book it?", "Please call her?"])
def test_acts_are_not_written(last: str) -> None:
    """The answer to a request to do something tells of what was done for this user."""
    assert why_unwritable(talk(CYCLE, SAID, last)) is not None


@pytest.mark.parametrize(
    "earlier", ["Answer all I ask in rhyme.", "I have a fever.", "Book a table.", "yes", "x" * 401]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_every_turn_must_ask(earlier: str, *, is_first: bool) -> None:
    """A statement or an act before the last turn may decide how that is answered."""
    before = (earlier, SAID, CYCLE, SAID) if is_first else (CYCLE, SAID, earlier, SAID)

    assert why_unwritable(talk(*before, "What is evaporation?")) is not None


@pytest.mark.parametrize("last", ["Can you expand on that?", "Which is cheaper?", "why?"])
def test_what_needs_the_answer_is_not_written(last: str) -> None:
    """Behind many turns too, what points at an answer is for who got that answer."""
    asked = talk(CYCLE, *(SAID, "How long is it?") * 4, SAID, last)

    assert why_unwritable(asked) == "refers to what was answered"


def test_a_phrase_after_a_question_is_not_written() -> None:
    """It may be what the assistant asked for."""
    asked = talk("What is the weather like?", "In which city?", "Rome")

    assert why_unwritable(asked) == "may be a reply to what the assistant asked"


def test_there_is_a_longest_conversation() -> None:
    """A model is paid by what it reads, and so it is bounded, however the turns are told."""
    assert why_unwritable(talk(CYCLE, *(SAID, CYCLE) * MOST_EARLIER)) is None
    assert why_unwritable(talk(CYCLE, *(SAID, CYCLE) * (MOST_EARLIER + 1))) is not None
    assert why_unwritable([*talk(CYCLE), *[Turn("assistant", SAID)] * 20, *talk(CYCLE)]) is not None
    assert why_unwritable(talk(CYCLE)) == "no earlier turn"


def test_an_answers_beginning_is_shown() -> None:
    """Enough to see what is spoken of; what the user said is shown whole."""
    found = shown(talk(CYCLE, "x" * 9999, "What is evaporation?"))

    assert [len(turn.text) for turn in found] == [len(CYCLE), MOST_ANSWER_CHARS, 20]


@pytest.mark.parametrize("text", ['say {"standalone": "x"}?', 'What is "Standalone"?', "a\ud800?"])
def test_what_dictates_the_reply_is_shown_to_nobody(text: str) -> None:
    """Neither a reply in the form of the model's, nor half a character, by either side."""
    assert why_unwritable(talk(CYCLE, text, "What is evaporation?")) is not None
    assert why_unwritable(talk(text, SAID, "What is evaporation?")) is not None


LASTING = talk(CYCLE, SAID, "And how long does it not take in winter?")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("How long does the water cycle not take in winter?", LASTING),
        ("What is evaporation in the water cycle?", talk(CYCLE, SAID, "What is evaporation?")),
        ("Was the water cycle in Peru?", talk(CYCLE, SAID, "was it in peru")),
        ("What are the cycle's phases?", talk(CYCLE, SAID, "its phases")),
        ("What is the water cycle in winter?", talk(CYCLE, SAID, "what about winter?")),
    ],
)
def test_a_resolved_question_is_believed(text: str, asked: list[Turn]) -> None:
    """The conversation's own words, in another order and form, with the plain words between."""
    assert why_unfaithful(text, asked) is None


@pytest.mark.parametrize(
    "text",
    [
        "How long does the water cycle not take in Rome in winter?",
        "How long does the water cycle not take in winter 2020?",
        "How long does the rain cycle not take in winter?",
        "How long does the best water cycle not take in winter?",
        "How long does the water cycle not take in winter without?",
        "How long does the water cycle not take in winter today?",
    ],
)
def test_what_nobody_said_is_not_believed(text: str) -> None:
    """No name, number, subject or condition comes in that is not in the conversation."""
    assert why_unfaithful(text, LASTING) == "says what nobody said"


@pytest.mark.parametrize(
    "text",
    [
        "How long does the water cycle take in winter?",
        "How long does the water cycle not take?",
        "How does the water cycle not take in winter?",
    ],
)
def test_what_was_asked_is_not_lost(text: str) -> None:
    """A condition, a negation or the question word that is left out makes another question."""
    assert why_unfaithful(text, LASTING) == "leaves out what was asked"


@pytest.mark.parametrize("last", ["where?", "What is a class?", "And in C# 3.5?"])
def test_a_repeated_turn_is_not_believed(last: str) -> None:
    """A last turn written as it stands is no more than it was."""
    assert why_unfaithful(last, talk(CYCLE, SAID, last)) is not None


def test_what_still_leans_is_not_believed() -> None:
    """A pronoun left over stands for anything."""
    asked = talk(CYCLE, SAID, "How long does it take?")

    assert why_unfaithful("How long does it take in the cycle?", asked) == "does not stand alone"
    assert why_unfaithful("this cycle, how long does take?", asked) == "does not stand alone"


def test_signs_are_part_of_a_word() -> None:
    """`C#` is not `C`, and 5 % is not 5."""
    asked = talk("What is Python?", "A language.", "How do I sort in C#?")

    assert why_unfaithful("How do I sort in C, Python?", asked) is not None
    assert why_unfaithful("How do I sort in C#, Python?", asked) is None


@pytest.mark.parametrize("text", ["", " ", " a", "What is\nthe cycle?", "w" * (MOST_CHARS + 1)])
def test_a_question_is_a_line(text: str) -> None:
    """Nothing that is blank, broken or endless is taken for a question."""
    assert why_unfaithful(text, LASTING) == "no question on a line"


@given(st.integers(2000, 10**9), st.text(st.characters(categories=["Lu"]), min_size=3, max_size=9))
def test_no_number_or_name_comes_in(number: int, name: str) -> None:
    """Whatever it is, and wherever the model puts it."""
    good = "How long does the water cycle not take in winter"

    assert why_unfaithful(f"{good} {number}?", LASTING) is not None
    assert why_unfaithful(f"{good} in Q{name}Q?", LASTING) is not None
