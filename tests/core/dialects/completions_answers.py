"""Answers of text completions, as origins give them."""

from typing import Any

from hypothesis import strategies as st

from tests.core.builders import Json, json_values, texts
from tests.core.dialects.chat_answers import tokens, unknown


@st.composite
def logprobs(draw: Any, words: list[str]) -> Json:
    """Lists over the tokens; some origins leave one out, or send `null` for it."""
    found: Json = {
        "tokens": words,
        "token_logprobs": [draw(st.none() | st.just(-0.5)) for _ in words],
        "top_logprobs": [{word: -0.5, "index": 1} for word in words],
        "text_offset": list(range(len(words))),
    }
    if draw(st.booleans()):
        found["top_logprobs"] = None
    if draw(st.booleans()):
        found["x_other"] = draw(json_values)
    return found


@st.composite
def choices(draw: Any, index: int) -> Json:
    words = draw(tokens)
    choice: Json = {
        "text": draw(st.just("".join(words)) | texts),
        "index": index,
        "logprobs": draw(st.none() | st.just({}) | logprobs(words)),
        "finish_reason": draw(st.sampled_from(["stop", "length"])),
    }
    choice |= draw(unknown)
    return choice


@st.composite
def answers(draw: Any) -> Json:
    answer: Json = {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": "m-1",
        "choices": [draw(choices(index)) for index in range(draw(st.integers(1, 3)))],
    }
    if draw(st.booleans()):
        answer["system_fingerprint"] = draw(st.none() | texts)
    if draw(st.booleans()):
        counted = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        answer["usage"] = draw(st.sampled_from([None, counted]))
    answer |= draw(unknown)
    return answer
