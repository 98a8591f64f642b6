"""What is imported can be replayed, as an object and as a stream, or is refused."""

from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Dialect, Json
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.completions import Completions
from proxy.core.dialects.embeddings_answer import taken_apart
from proxy.core.dialects.messages import Messages
from proxy.core.dialects.responses import Responses
from proxy.core.model import Answer
from proxy.core.playable import why_not
from tests.core.dialects import (
    chat_answers,
    completions_answers,
    messages_answers,
    responses_answers,
)

ALL: Final[tuple[Dialect, ...]] = (Chat(), Responses(), Completions(), Messages())
ANSWERS: Final = tuple(
    zip(
        ALL,
        (chat_answers, responses_answers, completions_answers, messages_answers),
        strict=True,
    )
)
SAID: Final[Json] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "One two."},
            "finish_reason": "stop",
        }
    ],
}
FRAMES: Final = tuple(Chat().unfold(SAID, include_usage=True))


def of(body: Any, *frames: bytes) -> str | None:
    return why_not(Answer(dumps(body), frames), ALL)


@settings(max_examples=15)
@given(st.data())
@pytest.mark.parametrize(("dialect", "made"), ANSWERS, ids=[one.api for one in ALL])
def test_answers_can_be_replayed(dialect: Dialect, made: Any, data: st.DataObject) -> None:
    """Of every API, with all that its answers may have; as they were told or as a stream."""
    answer = data.draw(made.answers())
    if dialect.facts(answer).empty:
        return
    frames = tuple(dialect.unfold(answer, include_usage=True))

    assert of(answer) is None
    assert of(answer, *frames) is None


def test_an_embedding_can_be_replayed() -> None:
    """Its numbers stand beside it."""
    item = {"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}
    told = {"object": "list", "data": [item], "model": "e", "usage": {"prompt_tokens": 1}}
    found = taken_apart(orjson.dumps(told), [1])
    assert found is not None

    assert why_not(found[0], ALL) is None
    assert why_not(Answer(found[0].body), ALL) == "cannot be replayed as an embedding"
    assert of({"data": []}, b"float", b"1234") == "cannot be replayed as an embedding"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "is no answer of an API that is cached"),
        ({"answer": "yes"}, "is no answer of an API that is cached"),
        ({"error": {"message": "no"}, "choices": []}, "is no answer of an API that is cached"),
        ({"choices": []}, "says nothing that /v1/chat/completions knows"),
        ({"choices": ["yes"]}, "says nothing that /v1/chat/completions knows"),
        ({"choices": [{"message": "yes"}]}, "says nothing that /v1/chat/completions knows"),
        ({"output": ["yes"]}, "says nothing that /v1/responses knows"),
        ({"content": ["yes"]}, "says nothing that /v1/messages knows"),
    ],
)
def test_what_is_no_answer(body: Json, why: str) -> None:
    """It is said what is wrong, and nothing is quoted."""
    assert of(body) == why


@pytest.mark.parametrize(
    "frames", [(b"{",), (b'"text"',), (b"[]",), (b'{"error": {}}',), FRAMES[:-1], FRAMES[1:-1]]
)
def test_a_stream_that_is_none(frames: tuple[bytes, ...]) -> None:
    """An answer that is well, beside frames that break off or are something else."""
    assert of(SAID, *FRAMES) is None
    assert (of(SAID, *frames) or "").endswith("of /v1/chat/completions")
