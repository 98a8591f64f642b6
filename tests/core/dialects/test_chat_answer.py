import pytest

from proxy.core.admission import why_not
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.chat_answer import facts, text_of
from tests.core.builders import Json
from tests.core.dialects.chat_answers import said


@pytest.mark.parametrize(
    ("message", "empty", "refusal", "tool_calls"),
    [
        ({"content": "Yes."}, False, False, False),
        ({"content": ""}, True, False, False),
        ({"content": None}, True, False, False),
        ({"content": None, "tool_calls": [{"id": "a"}]}, False, False, True),
        ({"content": None, "refusal": "No."}, True, True, False),
    ],
)
def test_facts(message: Json, *, empty: bool, refusal: bool, tool_calls: bool) -> None:
    """What admission asks of an answer."""
    found = facts({"choices": [{"message": message, "finish_reason": "stop"}]})

    assert (found.empty, found.refusal, found.tool_calls) == (empty, refusal, tool_calls)
    assert found.finish == ("stop",)


def test_one_empty_choice_makes_an_answer_empty() -> None:
    """All choices must say something."""
    choice = {"message": {"content": "a"}, "finish_reason": "stop"}

    assert facts({"choices": [choice, {"message": {}, "finish_reason": "stop"}]}).empty
    assert facts({"choices": []}).empty


def test_all_text_is_counted() -> None:
    """What was said, and what was passed to tools."""
    message = {"content": "a", "tool_calls": [{"function": {"arguments": "{}"}}]}

    assert text_of({"choices": [{"message": message}]}) == "a\n{}"


def test_the_text_of_custom_tools_and_parts_is_counted() -> None:
    """Thoughts too; an image has none, however many bytes it is."""
    message = {
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
            {"type": "text", "text": "Yes."},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
        "tool_calls": [{"type": "custom", "custom": {"name": "n", "input": "in"}}, 7],
    }

    assert text_of({"choices": [{"message": message}]}) == "Hm.\nYes.\nin"
    assert Chat().texts_of({"messages": [message, {"content": "Q"}]}, said())[0] == "Hm.\nYes.\nQ"


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"content": [THOUGHT, {"type": "text", "text": "Yes."}]}, None),
        ({"content": [{"type": "image_url", "image_url": {"url": "u"}}]}, None),
        ({"content": [THOUGHT]}, "empty answer"),
        ({"content": [THOUGHT, {"type": "text", "text": " "}]}, "empty answer"),
        ({"content": [7]}, "empty answer"),
        ({"content": "Yes.", "audio": None}, None),
        ({"content": "Yes.", "audio": {"id": "a", "expires_at": 1}}, "has a reference to audio"),
    ],
)
def test_what_is_kept(message: Json, reason: str | None) -> None:
    """What says something beside thoughts, and ends with no file of the origin's."""
    assert why_not(facts(said(**message))) == reason
