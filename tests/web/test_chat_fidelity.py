"""What a caller gets from the cache is what the origin said: random answers through the SDK.

`ANSWERS=1000` in the environment makes it a thousand of them.
"""

import json
import os
from copy import deepcopy
from random import Random
from typing import Any, Final

import openai
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from tests.core.builders import Json
from tests.core.dialects.chat_answers import answers
from tests.core.dialects.chat_streams import told
from tests.support.origin import ScriptedOrigin
from tests.support.program import Served

HOW_MANY: Final = int(os.environ.get("ANSWERS", "25"))
OWN: Final = ("id", "created", "service_tier")
"""What a replay has of its own."""

KEPT: Final = ("stop", "tool_calls", "function_call")


@st.composite
def kept_answers(draw: Any) -> Json:
    """Of those answers that may be kept."""
    answer: Json = draw(answers())
    for choice in answer["choices"]:
        message = choice["message"]
        message.update(refusal=None)
        message.pop("audio", None)
        if not (message["content"] or "").strip():
            message["content"] = "Yes."
        choice["finish_reason"] = draw(st.sampled_from(KEPT))
    answer["service_tier"] = draw(st.sampled_from([None, "default", "flex"]))
    return answer


def some_answers() -> list[Json]:
    """The same ones in every run."""
    found: list[Json] = []

    @settings(
        max_examples=HOW_MANY,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kept_answers())
    def collect(answer: Json) -> None:
        found.append(answer)

    collect()
    return found


def seen(value: Any) -> Json:
    """An object of the SDK's, with what no replay has of its own."""
    told: Json = value.to_dict(exclude_unset=False)
    return {name: field for name, field in told.items() if name not in OWN}


def put_together(chunks: list[ChatCompletionChunk]) -> Json:
    """What the SDK's own accumulator makes of chunks; it leaves a stream's index in tool calls."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(chunk)
    return without_index(seen(state.get_final_completion()))


def without_index(answer: Json) -> Json:
    for choice in answer["choices"]:
        choice["message"].pop("parsed", None)
        for call in choice["message"].get("tool_calls") or ():
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
    return answer


class Asking:
    """One caller, who asks in either form."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    async def whole(self, question: str) -> Json:
        messages: Any = [{"role": "user", "content": question}]
        return seen(await self._client.chat.completions.create(model="m", messages=messages))

    async def chunks(self, question: str) -> list[ChatCompletionChunk]:
        stream = await self._client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
        )
        return [chunk async for chunk in stream]


def as_json(answer: Json) -> Json:
    return {"body": json.dumps(answer).encode(), "headers": (("content-type", "application/json"),)}


def as_stream(chunks: list[Json]) -> Json:
    events = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    pieces = (*events, b"data: [DONE]\n\n")
    return {"pieces": pieces, "headers": (("content-type", "text/event-stream"),)}


@pytest.mark.timeout(60 + HOW_MANY)
async def test_a_replay_is_the_origins_answer(proxy: Served, origin: ScriptedOrigin) -> None:
    """No difference in any form, whichever form filled the cache; but for id, time and tier."""
    answers = some_answers()
    async with proxy.sdk() as client:
        caller = Asking(client)
        for number, answer in enumerate(answers):
            origin.then(**as_json(answer))
            first = await caller.whole(f"Whole {number}")

            assert await caller.whole(f"Whole {number}") == first
            replayed = put_together(await caller.chunks(f"Whole {number}"))
            assert replayed == without_index(deepcopy(first))

            origin.then(**as_stream(told(answer, Random(number))))
            chunks = await caller.chunks(f"Streamed {number}")

            again = await caller.chunks(f"Streamed {number}")
            assert [seen(chunk) for chunk in again] == [seen(chunk) for chunk in chunks]
            assert await caller.whole(f"Streamed {number}") == first

    assert len(answers) >= HOW_MANY * 0.9
    assert origin.calls == 2 * len(answers)
