"""Requests and answers that are almost right: a value somewhere in them is of another kind."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.canonical import loads
from proxy.core.dialects.base import Dialect
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.completions import Completions
from proxy.core.dialects.embeddings import read as read_embeddings
from proxy.core.dialects.embeddings_answer import taken_apart
from proxy.core.dialects.messages import Messages
from proxy.core.dialects.responses import Responses
from tests.core.builders import Json, json_values
from tests.support import completions, messages, responses, texts

FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}}
SAID = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url"}]},
    {"role": "assistant", "content": "Yes?", "tool_calls": [{"id": "1", "function": FUNCTION}]},
    {"role": "user", "content": [{"type": "text", "text": "What is a cache?"}]},
]
CHAT: Json = {
    "model": "m",
    "messages": SAID,
    "tools": [{"type": "function", "function": FUNCTION}],
    "stream_options": {"include_usage": True},
    "stop": ["a"],
}
RESPONSE: Json = {
    "model": "m",
    "store": False,
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text"}]},
        {"role": "user", "content": "What is a cache?"},
    ],
    "tools": [{"type": "function", **FUNCTION}],
    "include": ["reasoning.encrypted_content"],
    "text": {"format": {"type": "text"}},
}
MESSAGE: Json = {
    "model": "m",
    "max_tokens": 7,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text"}]}]},
    ],
    "tools": [{"name": "f", "input_schema": {}}],
}
TEXT: Json = {"model": "m", "prompt": ["What is a cache?"], "logit_bias": {"1": 2}}
EMBEDDING: Json = {"model": "m", "input": [[1, 2], [3]], "dimensions": 3}

REQUESTS: list[tuple[Dialect, Json]] = [
    (Chat(), CHAT),
    (Responses(), RESPONSE),
    (Messages(), MESSAGE),
    (Completions(), TEXT),
]
ANSWERS: list[tuple[Dialect, Json]] = [
    (Chat(), completions.completion(CHAT, [completions.choice_for(0, "It is.")], 1)),
    (
        Responses(),
        responses.response(
            RESPONSE, [responses.reasoning(1), responses.message(1, "It is.")], 1, "completed"
        ),
    ),
    (Messages(), messages.message(MESSAGE, [{"type": "text", "text": "It is."}], 1, "end_turn")),
    (Completions(), texts.completion(TEXT, "", 1, "It is.", None)),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a value."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [way for key, one in inner for way in [(*path, key), *places(one, (*path, key))]]


def with_another(value: Json, path: tuple[Any, ...], other: Any) -> Json:
    changed = deepcopy(value)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = other
    return changed


ODD: list[Any] = [None, True, 7, "x", "", [], {}, [[]], [{}], [None], {"a": []}]
others = st.sampled_from(ODD) | json_values


@settings(max_examples=200)
@given(st.data())
def test_no_request_is_beyond_reading(data: st.DataObject) -> None:
    """It is read or passed through, whatever is where; the caller never gets a 500."""
    dialect, body = data.draw(st.sampled_from(REQUESTS))
    changed = with_another(body, data.draw(st.sampled_from(places(body))), data.draw(others))

    reading = dialect.read(changed, tenant="t", namespace="", extra={})

    assert reading.scope.tenant == "t"
    assert dialect.with_usage(changed) is None or reading.stream is False


@given(st.data())
def test_no_batch_is_beyond_reading(data: st.DataObject) -> None:
    """The same for embeddings."""
    path = data.draw(st.sampled_from(places(EMBEDDING)))
    changed = with_another(EMBEDDING, path, data.draw(others))

    reading = read_embeddings(changed, tenant="t", namespace="", extra={})

    assert reading.bypass is not None or reading.inputs


@pytest.mark.parametrize(("dialect", "answer"), ANSWERS, ids=lambda one: getattr(one, "api", ""))
@given(st.data())
def test_no_answer_is_beyond_judging(dialect: Dialect, answer: Json, data: st.DataObject) -> None:
    """Whether it may be kept can be said of anything that an origin may say."""
    path = data.draw(st.sampled_from(places(answer)))
    changed = with_another(answer, path, data.draw(others))
    if not dialect.is_answer(changed):
        return

    facts = dialect.facts(changed)
    usage = dialect.usage_of(changed)

    assert facts.finish is not None
    assert usage is None or usage.total >= 0


DEEP = [
    '[{"role":"user","type":%s}]',
    '[{"role":"user","content":[{"type":%s}]}]',
    '[{"role":"user","content":[{"type":"tool_result","content":%s}]}]',
]


def deep(levels: int) -> list[str]:
    """JSON of so many levels: lists, objects, and tools' results inside tools' results."""
    nests = (("[", "]"), ('{"text":', "}"), ('[{"type":"tool_result","content":', "}]"))
    return [opened * levels + '"e\u0301"' + closed * levels for opened, closed in nests]


@pytest.mark.parametrize("dialect", [one for one, _ in REQUESTS], ids=lambda one: one.api)
def test_no_request_is_too_deep_to_be_read(dialect: Dialect) -> None:
    """What is nested as deeply as JSON can be read is passed on at the latest; it is no crash."""
    for levels in range(20, 1000, 47):
        for value in deep(levels):
            for shape in (*DEEP, "%s"):
                said = shape % value
                raw = '{"model":"m","store":false,"input":%s,"messages":%s,"tools":[%s]}'
                try:
                    body = loads((raw % (said, said, value)).encode())
                except ValueError:  # answered with 400
                    continue
                assert dialect.read(body, tenant="t", namespace="", extra={}).scope.model == "m"


@pytest.mark.parametrize(("dialect", "answer"), ANSWERS, ids=lambda one: getattr(one, "api", ""))
@pytest.mark.parametrize("count", [-1, 10**30, 10**400, True, "7", None])
def test_what_is_no_count_is_not_counted(dialect: Dialect, answer: Json, count: object) -> None:
    """Nor does it reach a metric, which can neither fall nor grow without end."""
    for name in answer["usage"]:
        if name in ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens"):
            assert dialect.usage_of(with_another(answer, ("usage", name), count)) is None


def test_what_is_no_count_is_no_batchs_either() -> None:
    """An embedding's tokens are then unknown."""
    body = b'{"data":[{"index":0,"embedding":[1.5]}],"usage":{"prompt_tokens":-1}}'
    answers = taken_apart(body, [1]) or ()

    assert [answer.usage for answer in answers] == [None]
