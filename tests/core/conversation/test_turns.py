"""What a turn leans on, rule by rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.conversation.turns import (
    MOST_CHARS,
    Leaning,
    introduces,
    is_phrase,
    leaning,
    says_nothing_alone,
)

EVERYTHING = [
    "yes",
    "Yes, please do it.",
    "ok",
    "No, thanks.",
    "The second one",
    "the cheaper one, please",
    "that one",
    "option 2",
    "B",
    "go on",
    "Continue.",
    "again",
    "Thanks for everything!",
    "Great! That's all.",
    "I see.",
    "both",
    "",
    "   ",
    "👍",
]
ANSWER = [
    "Can you expand on that?",
    "Could you tell me more?",
    "What does that mean?",
    "which is cheaper",
    "Which of them is older?",
    "Which one would you take?",
    "What is the difference between the two?",
    "Why?",
    "how so?",
    "such as?",
    "Are there others?",
    "Summarize it in one sentence",
    "Can you explain it in more detail?",
    "How do those compare?",
    "What was the date you mentioned?",
    "What's the third?",
]
SUBJECT = [
    "who painted it",
    "Why is it called the lungs of the earth?",
    "What are the main challenges?",
    "What is their price?",
    "Interesting. How does it work?",
    "And in winter?",
    "What about Germany?",
    "winter temperatures",
    "creator of the painting",
    "start year of the conflict",
    "notable people from that period",
    "What\N{RIGHT SINGLE QUOTATION MARK}s its price?",
    "In which year did it end?",
    "Can you give an example?",
    "name some famous figures",
    "which dynasty built most sections",
    "I'd like to know how it works",
]
ITSELF = [
    "What is the water cycle?",
    "What's photosynthesis?",
    "Who was Ada Lovelace?",
    "Explain judicial review.",
    "Could you please describe the Eiffel Tower?",
    "Tell me about black holes",
    "How do vaccines work?",
    "Why does bread rise?",
]
OTHER = [
    "I would like two tickets for tomorrow.",
    "Book it",
    "Please book a table for two",
    "Can you find me a hotel?",
    "Will you send her the letter?",
    "Translate it into French",
    "write an essay on them",
    "Start the engine",
    "Yes, I want one room for three days.",
    "No, I meant the other city.",
    "My name is Ann. I live in Rome. How is the weather?",
    "Wir haben das schon alles einmal ausprobiert und dann wieder verworfen",
    "Why? " + "x" * MOST_CHARS,
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, Leaning.EVERYTHING) for text in EVERYTHING),
        *((text, Leaning.ANSWER) for text in ANSWER),
        *((text, Leaning.SUBJECT) for text in SUBJECT),
        *((text, Leaning.ITSELF) for text in ITSELF),
        *((text, Leaning.OTHER) for text in OTHER),
    ],
)
def test_leaning(text: str, expected: Leaning) -> None:
    """A turn is taken for a follow-up by a positive sign only."""
    assert leaning(text) is expected


@given(st.text(), st.text())
def test_any_text_is_read(one: str, other: str) -> None:
    """No text makes the reading fail."""
    for text in (one, f"{one} {other}?", f"can you {one}", f"the {other} one. {one}"):
        assert leaning(text) in Leaning
        assert introduces(text) in (True, False)
        assert is_phrase(text) in (True, False)
        assert says_nothing_alone(text) <= (leaning(text) is Leaning.EVERYTHING)


@pytest.mark.parametrize("text", EVERYTHING)
def test_says_nothing_alone(text: str) -> None:
    """Replies are told from questions, however they are put."""
    assert says_nothing_alone(text)


@pytest.mark.parametrize(
    "text",
    ["Go: deduplicate a list", "Is it good to work in a start up?", "2 plus 2", "No such file"],
)
def test_short_questions_are_no_replies(text: str) -> None:
    """A question of light words is still one."""
    assert not says_nothing_alone(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the water cycle?", True),
        ("Can you explain what DNA is and its function?", True),
        ("Hi! Tell me about the Mona Lisa.", True),
        ("What caused the Great Depression?", True),
        ("What is the fastest car?", False),
        ("Recommend a good book", False),
        ("Who wrote Dune?", False),
        ("Who is the president of France?", False),
        ("Which museum should I visit in Rome?", False),
        ("How many legs does a spider have?", False),
        ("What are the main challenges?", False),
    ],
)
def test_introduces(text: str, expected: bool) -> None:
    """Only a turn that names its subject tells what a pronoun after it means."""
    assert introduces(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("New York", True),
        ("Economy class, please", True),
        ("How long is it?", False),
        ("Explain it", False),
        ("Cancel it", False),
    ],
)
def test_is_phrase(text: str, expected: bool) -> None:
    """A phrase may be a reply; a question is none."""
    assert is_phrase(text) is expected
