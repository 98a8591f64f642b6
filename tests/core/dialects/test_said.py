from typing import Any

import pytest

from proxy.core.dialects.chat import Chat


def answer(*messages: Any) -> dict[str, Any]:
    return {"choices": [{"index": n, "message": m} for n, m in enumerate(messages)]}


def test_what_each_choice_says() -> None:
    """In order, and nothing of what was only thought."""
    thinking = {"content": "Paris", "reasoning_content": "France, so..."}

    assert Chat().said(answer(thinking, {"content": "Lyon"})) == ("Paris", "Lyon")


@pytest.mark.parametrize(
    "message",
    [
        {"content": "I look it up", "tool_calls": [{"id": "c"}]},
        {"content": None, "function_call": {"name": "f"}},
        {"content": None, "refusal": "No."},
        {"content": [{"type": "text", "text": "in parts"}]},
    ],
)
def test_what_is_not_plain_text_cannot_be_compared(message: dict[str, Any]) -> None:
    """A call is not what a caller is told."""
    assert Chat().said(answer({"content": "Paris"}, message)) is None
