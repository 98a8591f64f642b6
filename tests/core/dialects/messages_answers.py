"""Answers of Anthropic's Messages API, as origins give them."""

from typing import Any

from hypothesis import strategies as st

from tests.core.builders import Json, json_values, texts

unknown = st.dictionaries(st.sampled_from(["x_one", "x_two"]), json_values, max_size=2)
citations = st.fixed_dictionaries(
    {
        "type": st.just("char_location"),
        "cited_text": texts,
        "document_index": st.integers(0, 3),
        "document_title": st.none() | texts,
        "start_char_index": st.integers(0, 9),
        "end_char_index": st.integers(0, 9),
        "file_id": st.none(),
    }
)
text_blocks = st.builds(
    lambda text, cited: {"type": "text", "text": text, **cited},
    texts,
    st.sampled_from([{}, {"citations": None}, {"citations": []}])
    | st.builds(lambda found: {"citations": found}, st.lists(citations, min_size=1, max_size=2)),
)
thoughts = st.builds(
    lambda text, signature: {"type": "thinking", "thinking": text, "signature": signature},
    texts,
    texts,
)
hidden = st.builds(lambda data: {"type": "redacted_thinking", "data": data}, texts)
calls = st.builds(
    lambda number, name, passed: {
        "type": "tool_use",
        "id": f"toolu_{number}",
        "name": name,
        "input": passed,
    },
    st.integers(0, 99),
    st.text("abc", min_size=1, max_size=5),
    st.dictionaries(texts, json_values, max_size=3),
)


@st.composite
def answers(draw: Any) -> Json:
    content = draw(st.lists(text_blocks | thoughts | hidden | calls, max_size=4))
    for block in content:
        block.update(draw(unknown))
    usage = {
        "input_tokens": draw(st.integers(0, 99)),
        "cache_creation_input_tokens": draw(st.none() | st.integers(0, 9)),
        "cache_read_input_tokens": draw(st.none() | st.integers(0, 9)),
        "output_tokens": draw(st.integers(0, 99)),
        "service_tier": "standard",
    }
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": content,
        "stop_reason": draw(st.sampled_from(["end_turn", "tool_use", "max_tokens"])),
        "stop_sequence": draw(st.none() | texts),
        "usage": usage,
        **draw(unknown),
    }


def said(*blocks: Any, **more: Any) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 4},
        **more,
    }
