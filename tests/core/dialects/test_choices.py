from proxy.core.dialects.choices import is_usage_frame, usage_of
from proxy.core.model import Usage
from tests.core.dialects.chat_answers import frames, progress


def test_an_end_needs_a_finish_and_a_marker() -> None:
    """Either alone is a stream that broke off."""
    whole = frames({"content": "a"})

    assert progress(*whole, b"[DONE]").is_complete
    assert not progress(*whole).is_complete
    assert not progress(*whole[:-1], b"[DONE]").is_complete
    assert not progress(b"[DONE]").is_complete
    assert not progress(b'{"error": {}}', *whole, b"[DONE]").is_complete
    assert not progress(b"garbage", *whole, b"[DONE]").is_complete


def test_every_choice_must_finish() -> None:
    """One of two that finished is half an answer."""
    one = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    two = b'{"choices":[{"index":1,"delta":{"content":"a"},"finish_reason":null}]}'

    assert not progress(two, one, b"[DONE]").is_complete
    assert not progress(two, one).is_finished


def test_a_usage_chunk_is_known() -> None:
    """It has no choices, and usage."""
    assert is_usage_frame(b'{"choices":[],"usage":{"total_tokens":1}}')
    assert not is_usage_frame(b'{"choices":[],"usage":null}')
    assert not is_usage_frame(b'{"choices":[{"index":0}],"usage":{"total_tokens":1}}')
    assert not is_usage_frame(b'{"choices":[],"prompt_filter_results":[]}')
    assert not is_usage_frame(b"[DONE]")


def test_usage_is_read() -> None:
    """As the origin counted it, or not at all."""
    assert usage_of({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}) == Usage(3, 4)
    assert usage_of({"usage": None}) is None
    assert usage_of({"usage": {"prompt_tokens": "3"}}) is None
