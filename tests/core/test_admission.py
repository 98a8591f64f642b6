import pytest

from proxy.core.admission import Action, Admission, AnswerFacts, why_not
from proxy.core.model import Directives

RULES = Admission(max_temperature=1.0, time_words=("today", "right now", "c++"))


def narrowed(
    question: str = "", temperature: object = None, *, has_tools: bool = False
) -> tuple[Directives, str]:
    return RULES.narrow(
        Directives(), question=question, temperature=temperature, has_tools=has_tools
    )


def test_a_plain_question_is_stored() -> None:
    """Nothing applies, nothing is narrowed."""
    assert narrowed("What is a cache?", 0.7) == (Directives(), "")


@pytest.mark.parametrize(
    "question", ["What happened today?", "TODAY", "Who leads right\n now?", "is c++ dead"]
)
def test_the_present_is_not_kept(question: str) -> None:
    """A question about the present has an answer that does not last."""
    found, reason = narrowed(question)

    assert (found.read, found.write) == (False, False)
    assert reason.startswith("asks about")


@pytest.mark.parametrize("question", ["The Todayish show", "brightnow", "todays"])
def test_words_are_whole_words(question: str) -> None:
    """A word inside another is not that word."""
    assert narrowed(question) == (Directives(), "")


@pytest.mark.parametrize(
    ("word", "question", "expected"),
    [
        ("今天", "今天天气怎么样", True),
        ("วันนี้", "อากาศวันนี้เป็นอย่างไร", True),
        ("сегодня", "Что сегодня идёт?", True),
        ("сегодня", "сегодняшний", False),
        ("HEUTE", "Was läuft heute?", True),
    ],
)
def test_words_of_any_script(word: str, question: str, expected: bool) -> None:
    """Where a script does not set words apart, a word is found inside a sentence."""
    rules = Admission(time_words=(word,))
    _, reason = rules.narrow(Directives(), question=question, temperature=None, has_tools=False)

    assert (reason != "") is expected


@pytest.mark.parametrize(
    ("stored", "is_read"), [(Action.NEVER, False), (Action.EXACT, True), (Action.STORE, True)]
)
def test_what_the_origin_keeps_is_ruled_of_its_own(stored: Action, *, is_read: bool) -> None:
    """By default it is not cached: a caller may go on from it."""
    found, reason = Admission(stored=stored).narrow(
        Directives(), question="Why?", temperature=None, has_tools=False, is_stored=True
    )

    assert (found.read, found.write) == (is_read, is_read)
    assert found.semantic is (stored is Action.STORE)
    assert reason == ("" if stored is Action.STORE else "store")
    assert Admission().stored is Action.NEVER


def test_what_a_tool_of_the_origins_found_is_not_kept() -> None:
    """It is of this one call."""
    facts = AnswerFacts(("stop",), empty=False, refusal=False, tool_calls=False, foreign="search")

    assert why_not(facts) == "has a search"


def test_a_number_of_any_size_is_heat() -> None:
    """JSON's numbers have no bound; what is shown of one does."""
    reason = narrowed(temperature=10**400)[1]

    assert reason.startswith("temperature 1000")
    assert len(reason) < 30


def test_heat_counts_above_the_limit_only() -> None:
    """At the limit an answer is kept, above it not; a temperature that is no number is nobody's."""
    assert narrowed(temperature=1.0)[1] == ""
    assert narrowed(temperature=1.1) == (
        Directives(read=False, write=False, semantic=False),
        "temperature 1.1",
    )
    assert narrowed(temperature="hot")[1] == ""


def test_personal_data_stays_in_the_session() -> None:
    """By default it is private, and no other question finds it."""
    found, reason = narrowed("I am ann@example.com, who are you?")

    assert (found.private, found.semantic, reason) == (True, False, "personal data: e-mail address")


def test_tools_are_exact() -> None:
    """By default a request with tools is answered by its own repeats alone."""
    assert narrowed(has_tools=True) == (Directives(semantic=False), "tools")


def test_the_strictest_rule_holds() -> None:
    """Where several apply, the strictest is done and named."""
    found, reason = narrowed("ann@example.com today", has_tools=True)

    assert (found.write, reason) == (False, "asks about today")


def test_store_switches_a_rule_off() -> None:
    """An action of `store` means that the rule does nothing."""
    rules = Admission(time_words=("today",), time=Action.STORE, pii=Action.STORE)
    found = rules.narrow(
        Directives(), question="today ann@example.com", temperature=None, has_tools=False
    )

    assert found == (Directives(), "")


def facts(**more: object) -> AnswerFacts:
    plain: dict[str, object] = {"finish": ("stop",), "empty": False, "refusal": False}
    return AnswerFacts(**{**plain, "tool_calls": False, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (facts(), None),
        (facts(finish=("tool_calls",), tool_calls=True), None),
        (facts(finish=("stop", "length")), "finish length"),
        (facts(finish=("content_filter",)), "finish content_filter"),
        (facts(finish=("None",)), "finish None"),
        (facts(refusal=True), "refusal"),
        (facts(empty=True), "empty answer"),
    ],
)
def test_only_whole_answers_are_kept(found: AnswerFacts, expected: str | None) -> None:
    """Cut short, refused or empty: not kept, and the reason is told."""
    assert why_not(found) == expected
