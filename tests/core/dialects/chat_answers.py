"""Answers of chat completions, as origins give them."""

from typing import Any

from hypothesis import strategies as st

from tests.core.builders import Json, json_values, texts

unknown = st.dictionaries(st.sampled_from(["x_one", "x_two"]), json_values, max_size=2)


calls = st.builds(
    lambda number, name, arguments: {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    st.integers(0, 99),
    st.text("abc", min_size=1, max_size=5),
    texts,
)


tokens = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4))


@st.composite
def choices(draw: Any, index: int) -> Json:
    words = draw(tokens)
    content = draw(st.sampled_from([None, "".join(words), draw(texts)]))
    message: Json = {"role": "assistant", "content": content, "refusal": draw(st.none() | texts)}
    if draw(st.booleans()):
        message["tool_calls"] = draw(st.lists(calls, min_size=1, max_size=3))
    if draw(st.booleans()):
        message["reasoning_content"] = draw(texts)
    if draw(st.booleans()):
        message["function_call"] = {"name": "f", "arguments": draw(texts)}
    logprobs = None
    if draw(st.booleans()):
        logprobs = {
            "content": [
                {"token": w, "logprob": -0.5, "bytes": None, "top_logprobs": []} for w in words
            ],
            "refusal": None,
        }
    finish = draw(st.sampled_from(["stop", "length", "tool_calls"]))
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish}


@st.composite
def answers(draw: Any) -> Json:
    answer: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m-1",
        "system_fingerprint": draw(st.none() | texts),
        "choices": [draw(choices(index)) for index in range(draw(st.integers(1, 3)))],
    }
    if draw(st.booleans()):
        counted = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        answer["usage"] = draw(st.sampled_from([None, counted]))
    for name, value in draw(unknown).items():
        answer[name] = value
    for choice in answer["choices"]:
        for name, value in draw(unknown).items():
            choice[name] = value
            choice["message"][name] = value
    return answer


def said(**message: Any) -> Json:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
