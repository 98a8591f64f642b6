from typing import Any

import pytest

from proxy.core.admission import Admission
from proxy.core.dialects.chat import Chat
from proxy.core.model import Caller, Directives
from proxy.core.reading import EXACT, NOTHING_ALONE, Understood, understand
from tests.core.builders import Json, chat


def understood(
    body: Json,
    asked: Directives | None = None,
    *,
    rewrite: bool = False,
    by_model: bool = False,
    **rules: Any,
) -> Understood:
    return understand(
        Chat(),
        body,
        caller=Caller("t", "s"),
        asked=asked or Directives(),
        admission=Admission(**rules),
        extra={},
        rewrite=rewrite,
        by_model=by_model,
    )


def test_a_plain_request() -> None:
    """What was asked is looked up."""
    found = understood(chat("Why?"))

    assert (found.bypass, found.reason) == (None, "")
    assert found.request.question == "Why?"
    assert found.request.key == found.request.scope.key("Why?")
    assert found.request.directives == Directives()


@pytest.mark.parametrize(
    ("body", "asked", "bypass"),
    [
        (chat(store=True), Directives(), "store"),
        (chat(), Directives(read=False, write=False), "no-store"),
        (chat("Who won today?"), Directives(), "asks about today"),
        (chat(), Directives(read=False), None),
    ],
)
def test_what_goes_past_the_cache(body: Json, asked: Directives, bypass: str | None) -> None:
    """The dialect, the caller or the operator's rules may say so."""
    assert understood(body, asked, time_words=("today",)).bypass == bypass


def test_exact_only_is_narrowed() -> None:
    """What the dialect finds unfit for rewording is not reworded."""
    assert not understood(chat(seed=1)).request.directives.semantic
    assert not understood(chat(tools=[{"type": "function"}])).request.directives.semantic


def test_the_namespace_is_part_of_the_scope() -> None:
    """Two partitions of a tenant never meet."""
    one = understood(chat(), Directives(namespace="a")).request
    two = understood(chat(), Directives(namespace="b")).request

    assert one.key != two.key


def talk(*turns: str) -> Json:
    """The user, the assistant, the user, and so on."""
    speakers = ("user", "assistant")
    messages = [{"role": speakers[n % 2], "content": text} for n, text in enumerate(turns)]
    return {"model": "m", "messages": messages}


CYCLE = talk("What is the water cycle?", "Rain, mostly.", "What are its phases?")
REWORDED = talk("Explain the water cycle", "Water goes round.", "its phases?")
ON_THE_ANSWER = talk("What is the water cycle?", "Rain, mostly.", "Can you expand on that?")


def rewritten(body: Json, asked: Directives | None = None, **rules: Any) -> Understood:
    return understood(body, asked, rewrite=True, **rules)


def test_a_conversation_is_exact_by_default() -> None:
    """Reworded earlier turns are another scope, and the question is the last turn alone."""
    one, other = understood(CYCLE), understood(REWORDED)

    assert one.request.question == "What are its phases?"
    assert one.request.scope != other.request.scope
    assert one.kept == EXACT


def test_a_follow_up_stands_alone() -> None:
    """Its question holds the earlier turns, so that its scope need not."""
    one, other = rewritten(CYCLE), rewritten(REWORDED)

    assert one.request.question == "What is the water cycle?\nWhat are its phases?"
    assert one.request.scope == other.request.scope
    assert (one.kept, one.exact_only) == ("", None)


def test_conversations_never_share_a_key() -> None:
    """The key is of the whole conversation, however it is compared: only an exact repeat has it."""
    other_answer = talk("What is the water cycle?", "Snow, mostly.", "What are its phases?")
    bodies = [CYCLE, REWORDED, other_answer, ON_THE_ANSWER, chat("What are its phases?")]
    bodies.append(chat("What is the water cycle?\nWhat are its phases?"))

    assert len({rewritten(body).request.key for body in bodies}) == len(bodies)
    assert [rewritten(b).request.key for b in bodies] == [understood(b).request.key for b in bodies]


def test_a_follow_up_meets_only_follow_ups() -> None:
    """Two questions in one turn want both answers: a follow-up's answers the second alone."""
    together = chat("What is the water cycle?\nWhat are its phases?")
    longer = talk(
        "What is the water cycle?", "Rain.", "What are its phases?", "Four.", "And in May?"
    )
    scopes = {rewritten(body).request.scope.id for body in (CYCLE, together, longer)}

    assert len(scopes) == 3


def test_what_hangs_on_an_answer_needs_the_same_answer() -> None:
    """`Expand on that` is another question after another answer."""
    same = talk("Explain the water cycle", "Rain, mostly.", "Can you expand on that?")
    other = talk("Explain the water cycle", "Water goes round.", "Can you expand on that?")

    assert rewritten(ON_THE_ANSWER).request.scope == rewritten(same).request.scope
    assert rewritten(ON_THE_ANSWER).request.scope != rewritten(other).request.scope


@pytest.mark.parametrize("rewrite", [False, True])
@pytest.mark.parametrize("last", ["yes", "Yes, do it.", "the second one", "continue"])
def test_what_means_nothing_alone_is_matched_with_nothing(last: str, rewrite: bool) -> None:
    """Only the very same conversation answers a reply, in every mode."""
    one = understood(talk("Is it warm in Rome?", "Shall I look?", last), rewrite=rewrite)
    other = understood(talk("Is it warm in Oslo?", "Shall I look?", last), rewrite=rewrite)

    assert one.request.scope != other.request.scope
    assert not one.request.directives.semantic
    assert one.exact_only == NOTHING_ALONE
    assert not understood(chat(last), rewrite=rewrite).request.directives.semantic


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.5},
        {"response_format": {"type": "json_object"}},
        {"tools": [{"type": "function"}]},
        {"model": "n"},
    ],
)
def test_all_else_stays_exact(more: Json) -> None:
    """Leaving out the earlier turns leaves out nothing else."""
    assert rewritten({**CYCLE, **more}).request.scope != rewritten(CYCLE).request.scope


def test_instructions_stay_exact() -> None:
    """Another system prompt is another scope, for follow-ups too."""
    briefly = {"role": "system", "content": "Be brief."}
    body = {**CYCLE, "messages": [briefly, *CYCLE["messages"]]}

    assert rewritten(body).request.scope != rewritten(CYCLE).request.scope
    assert rewritten(body).request.question == rewritten(CYCLE).request.question


@pytest.mark.parametrize(
    "body",
    [
        talk("How is the weather today?", "Fine.", "And the wind?"),
        talk("Who is ann@example.com?", "A user.", "When did she join?"),
    ],
)
def test_rules_read_the_earlier_turns_too(body: Json) -> None:
    """Earlier turns that may not be stored as a question are not made part of one."""
    kept = rewritten(body, time_words=("today",))

    assert kept.kept.startswith("earlier turns: ")
    assert kept.request == understood(body, time_words=("today",)).request


def test_directives_do_not_move_a_conversation() -> None:
    """What is asked of the cache changes no scope: what one request stores the next one finds."""
    plain = rewritten(CYCLE).request
    exact = rewritten(CYCLE, Directives(semantic=False)).request

    assert (plain.scope, plain.key) == (exact.scope, exact.key)


@pytest.mark.parametrize("field", ["name", "tool_calls"])
def test_more_than_text_is_kept(field: str) -> None:
    """A turn that calls a tool or has a name is not understood as text."""
    body = talk("What is the water cycle?", "Rain, mostly.", "What are its phases?")
    body["messages"][1][field] = "x" if field == "name" else [{"id": "c"}]

    assert rewritten(body).kept == "more than plain text"


def test_an_sdks_message_is_plain_text() -> None:
    """What an SDK's message carries along, empty, does not matter."""
    body = talk("What is the water cycle?", "Rain, mostly.", "What are its phases?")
    body["messages"][1] |= {"refusal": None, "annotations": [], "tool_calls": None}

    assert rewritten(body).request.question == rewritten(CYCLE).request.question


OWN = talk("What is the water cycle?", "Rain, mostly.", "What is evaporation?")
OWN_REWORDED = talk("Explain the water cycle", "Water goes round.", "Explain evaporation")


def by_model(body: Json, asked: Directives | None = None, **rules: Any) -> Understood:
    return understood(body, asked, rewrite=True, by_model=True, **rules)


def test_what_no_rule_resolves_is_left_to_a_model() -> None:
    """Its question is open, its scope is not: that hangs on nothing that a model will say."""
    one, other = by_model(OWN), by_model(OWN_REWORDED)

    assert [turn.text for turn in one.request.unwritten] == [m["content"] for m in OWN["messages"]]
    assert (one.request.question, one.kept) == ("", "")
    assert one.request.scope == other.request.scope != understood(OWN).request.scope
    assert one.request.key == understood(OWN).request.key != other.request.key


def test_a_model_is_asked_only_where_it_is_wanted() -> None:
    """Rules come first, and without the switch nothing is left open."""
    assert not by_model(CYCLE).request.unwritten
    assert by_model(CYCLE).request == rewritten(CYCLE).request
    assert not rewritten(OWN).request.unwritten
    assert not understood(OWN, by_model=True).request.unwritten


def test_a_written_follow_up_meets_only_its_like() -> None:
    """Neither a first question nor a follow-up that rules resolved is in its scope."""
    bodies = [OWN, CYCLE, chat("What is evaporation in the water cycle?")]

    assert len({by_model(body).request.scope.id for body in bodies}) == len(bodies)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(talk("Is it warm?", "Shall I look?", "yes"), id="a reply"),
        pytest.param(talk("I need a hotel", "Where?", "What is a hotel?"), id="a statement"),
        pytest.param({**OWN, "seed": 1}, id="exact only"),
        pytest.param({**OWN, "tools": [{"type": "function"}]}, id="tools"),
        pytest.param(chat("What is tea?"), id="one turn"),
    ],
)
def test_what_must_stay_exact_stays_so(body: Json) -> None:
    """A model changes nothing for what was kept for safety."""
    assert by_model(body).request == understood(body).request


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("text", ["Who is ann@example.com?", "What is today's rain?"])
def test_rules_read_all_that_a_model_would(turn: int, text: str) -> None:
    """A mail address or a word of today, the assistant's too, is not sent to a model."""
    body = talk("What is the water cycle?", "Rain, mostly.", "What is evaporation?")
    body["messages"][turn]["content"] = text

    assert not by_model(body, time_words=("today",)).request.unwritten


def test_a_callers_wish_moves_no_written_conversation() -> None:
    """An exact repeat is found whatever its first asker wanted of the cache."""
    plain, exact = by_model(OWN).request, by_model(OWN, Directives(semantic=False)).request

    assert (plain.scope, plain.key) == (exact.scope, exact.key)
