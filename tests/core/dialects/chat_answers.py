"""Answers of chat completions, as origins give them."""

from typing import Any

import orjson
from hypothesis import strategies as st

from proxy.core.dialects.chat_stream import watch
from proxy.core.dialects.choices_stream import ChoicesProgress
from tests.core.builders import Json, json_values, texts

unknown = st.dictionaries(st.sampled_from(["x_one", "x_two"]), json_values, max_size=2)


functions = st.builds(
    lambda name, told: {"type": "function", "function": {"name": name, "arguments": told}},
    st.text("abc", min_size=1, max_size=5),
    texts,
)
customs = st.builds(
    lambda told: {"type": "custom", "custom": {"name": "n", "input": told}},
    texts,
)


@st.composite
def calls(draw: Any, kinds: st.SearchStrategy[Json] = functions) -> list[Json]:
    """Several at once; some origins number them, and some add fields of their own."""
    found = draw(st.lists(kinds, min_size=1, max_size=3))
    is_numbered = draw(st.booleans())
    return [
        {"id": f"call_{n}", **call, **draw(unknown), **({"index": n} if is_numbered else {})}
        for n, call in enumerate(found)
    ]


tokens = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4))

citation = st.builds(
    lambda title: {
        "type": "url_citation",
        "url_citation": {"start_index": 0, "end_index": 9, "title": title, "url": "https://a.b/"},
    },
    texts,
)
part = st.builds(lambda told: {"type": "text", "text": told}, texts)
parts = st.lists(part | st.builds(lambda told: {"type": "thinking", "thinking": [told]}, part))


@st.composite
def thoughts(draw: Any) -> Json:
    """As DeepSeek and vLLM, Ollama, or OpenRouter tell them."""
    details = [
        {"type": "reasoning.text", "text": told, "format": "f", "signature": None, "index": index}
        for index, told in enumerate(draw(st.lists(texts, max_size=2)))
    ]
    kinds = st.sampled_from(["reasoning_content", "reasoning", "reasoning_details"])
    told = {
        "reasoning_content": draw(texts),
        "reasoning": draw(texts),
        "reasoning_details": details,
    }
    return {name: told[name] for name in draw(st.lists(kinds, unique=True))}


def log_probabilities(words: list[str]) -> list[Json]:
    """One entry a token, as OpenAI writes them."""
    return [
        {
            "token": word,
            "logprob": -0.5,
            "bytes": list(word.encode()),
            "top_logprobs": [{"token": word, "logprob": -0.5, "bytes": None}],
        }
        for word in words
    ]


@st.composite
def choices(draw: Any, index: int, kinds: st.SearchStrategy[Json] = functions) -> Json:
    words = draw(tokens)
    content = draw(st.sampled_from([None, "".join(words), draw(texts)]))
    message: Json = {"role": "assistant", "content": content, "refusal": draw(st.none() | texts)}
    if draw(st.booleans()):
        message["tool_calls"] = draw(calls(kinds))
    message |= draw(thoughts())
    if draw(st.booleans()):
        message["annotations"] = draw(st.lists(citation, max_size=2))
    if draw(st.booleans()):
        message["function_call"] = {"name": "f", "arguments": draw(texts)}
    if draw(st.booleans()):
        message["audio"] = draw(st.none() | st.just(AUDIO))
    logprobs = draw(st.none() | st.just({"content": log_probabilities(words), "refusal": None}))
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "function_call"]))
    choice = {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}
    if draw(st.booleans()):
        choice["content_filter_results"] = {"hate": {"filtered": False, "severity": "safe"}}
    return choice


AUDIO: Json = {"id": "audio_1", "expires_at": 1, "data": "UklGRg==", "transcript": "Hi"}

COUNTED: Json = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 1, "accepted_prediction_tokens": 2},
}


@st.composite
def answers(draw: Any, kinds: st.SearchStrategy[Json] = functions) -> Json:
    """Whatever OpenAI's objects hold, and what providers add at every level."""
    answer: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m-1",
        "system_fingerprint": draw(st.none() | texts),
        "choices": [draw(choices(index, kinds)) for index in range(draw(st.integers(1, 3)))],
    }
    if draw(st.booleans()):
        answer["usage"] = draw(st.sampled_from([None, {**COUNTED, **draw(unknown)}]))
    for name, value in draw(unknown).items():
        answer[name] = value
    for choice in answer["choices"]:
        for name, value in draw(unknown).items():
            choice[name] = value
            choice["message"][name] = value
    return answer


@st.composite
def odd_answers(draw: Any) -> Json:
    """With what no SDK of OpenAI's puts together: content in parts, custom tools."""
    answer: Json = draw(answers(functions | customs))
    for choice in answer["choices"]:
        if draw(st.booleans()):
            choice["message"]["content"] = draw(parts)
        if draw(st.booleans()):
            choice["token_ids"] = draw(st.lists(st.integers(0, 9)))
    return answer


def said(**message: Any) -> Json:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def frames(*deltas: Json, **more: Any) -> list[bytes]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", **more}
    parts = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return [orjson.dumps({**head, "choices": [part]}) for part in [*parts, end]]


def progress(*payloads: bytes) -> ChoicesProgress:
    found = watch()
    for payload in payloads:
        found.feed(payload)
    return found
