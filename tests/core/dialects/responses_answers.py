"""Answers of the Responses API, as origins give them."""

from typing import Any

from hypothesis import strategies as st

from tests.core.builders import Json, json_values, texts

unknown = st.dictionaries(st.sampled_from(["x_one", "x_two"]), json_values, max_size=2)
tokens = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4))
annotations = st.fixed_dictionaries(
    {
        "type": st.just("url_citation"),
        "start_index": st.integers(0, 9),
        "end_index": st.integers(0, 9),
        "title": texts,
        "url": texts,
    }
)


@st.composite
def text_parts(draw: Any) -> Json:
    words = draw(tokens)
    has_tokens = draw(st.booleans())
    logprobs = [{"token": w, "bytes": [], "logprob": -0.5, "top_logprobs": []} for w in words]
    for entry in logprobs:
        entry["bytes"] = list(str(entry["token"]).encode())
    return {
        "type": "output_text",
        "text": "".join(words) if has_tokens else draw(texts),
        "annotations": draw(st.lists(annotations, max_size=2)),
        "logprobs": logprobs if has_tokens else [],
    }


parts = text_parts() | st.builds(lambda text: {"type": "refusal", "refusal": text}, texts)


@st.composite
def messages(draw: Any) -> Json:
    return {
        "type": "message",
        "status": "completed",
        "content": draw(st.lists(parts, max_size=3)),
        "role": "assistant",
        **draw(st.sampled_from([{}, {"phase": "commentary"}, {"phase": "final_answer"}])),
    }


@st.composite
def thoughts(draw: Any) -> Json:
    summary = [{"type": "summary_text", "text": text} for text in draw(st.lists(texts, max_size=2))]
    item: Json = {"type": "reasoning", "summary": summary}
    if draw(st.booleans()):
        told = draw(st.lists(texts, max_size=2))
        item["content"] = [{"type": "reasoning_text", "text": text} for text in told]
    if draw(st.booleans()):
        item["encrypted_content"] = draw(texts)
    return item


functions = st.builds(
    lambda name, arguments: {
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "name": name,
    },
    st.text("abc", min_size=1, max_size=5),
    texts,
)
customs = st.builds(
    lambda name, told: {"type": "custom_tool_call", "input": told, "name": name},
    st.text("abc", min_size=1, max_size=5),
    texts,
)
others = st.builds(lambda told: {"type": "compaction", "encrypted_content": told}, texts)


@st.composite
def answers(draw: Any) -> Json:
    kinds = messages() | thoughts() | functions | customs | others
    output = draw(st.lists(kinds, max_size=4))
    for number, item in enumerate(output):
        item["id"] = f"item_{number}"
        if item["type"].endswith("_call"):
            item["call_id"] = f"call_{number}"
        item.update(draw(unknown))
    counted = {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 7,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": draw(st.sampled_from(["completed", "incomplete", "failed"])),
        "completed_at": draw(st.none() | st.just(1_700_000_001)),
        "model": "m-1",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": draw(st.sampled_from([None, counted])),
        **draw(unknown),
    }


def said(*items: Json, **more: Any) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "output": list(items),
        **more,
    }


def message(text: str, **more: Any) -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": [], **more}
    return {
        "id": "msg_1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
