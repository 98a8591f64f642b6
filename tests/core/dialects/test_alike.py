import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core.canonical import dumps
from proxy.core.dialects.alike import Alike
from tests.core.builders import Json, texts
from tests.core.dialects.chat_streams import streamed
from tests.core.dialects.folding import chat, messages


def chunk(text: str, **more: object) -> Json:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}}], **more}


def learnt(payload: bytes, name: str = "content") -> Alike:
    alike = Alike()
    alike.learn(payload, name)
    return alike


@given(first=texts, second=texts, is_ascii=st.booleans())
@example(first="a", second='b","x":"', is_ascii=False)
@example(first="a", second="b\\", is_ascii=False)
def test_a_text_is_what_a_parser_reads(first: str, second: str, *, is_ascii: bool) -> None:
    """Whatever it holds: it is told as it is, or left to the parser."""
    one, other = (
        json.dumps(chunk(text), ensure_ascii=is_ascii).encode() for text in (first, second)
    )

    assert learnt(one).text_of(other) in (second, None)


def test_nearly_all_texts_are_read_without_a_parser() -> None:
    """Words in any script, with padding of any length after them or none."""
    for text in (" word", "", "Grüße", "词", "🎉", "a, b: {c}"):
        plain = json.dumps(chunk(text), ensure_ascii=False).encode()
        padded = dumps(chunk(text, obfuscation="x" * len(text)))

        assert learnt(dumps(chunk("Hi"))).text_of(dumps(chunk(text))) == text
        assert learnt(json.dumps(chunk("Hi")).encode()).text_of(plain) == text
        assert learnt(dumps(chunk("Hi", obfuscation="abc"))).text_of(padded) == text


@pytest.mark.parametrize(
    "other",
    [
        dumps(chunk("b", usage=None)),
        dumps(chunk("b", obfuscation="x")),
        dumps({**chunk("b"), "id": "d"}),
        dumps(chunk("b"))[:-1],
        dumps(chunk("b")) + b"}",
        dumps(chunk("b\nc")),
        dumps(chunk("a")).replace(b'"a"', b'"\xff"'),
        dumps(chunk("a")).replace(b'"a"', b'"\x00"'),
        dumps(chunk("a")).replace(b'"a"', b"null"),
        b"[DONE]",
        b"",
    ],
)
def test_whatever_else_differs_is_left_to_the_parser(other: bytes) -> None:
    """A field more, another id, an escape, or what is no JSON at all."""
    assert learnt(dumps(chunk("a"))).text_of(other) is None


@pytest.mark.parametrize(
    "payload",
    [
        dumps(chunk("a", content="b")),
        dumps(chunk("a", x="content")),
        dumps(chunk("a\n")),
        dumps({"type": "content"}),
        b'{"content":7}',
    ],
)
def test_where_the_text_is_not_plain_to_see_nothing_is_learnt(payload: bytes) -> None:
    """Two fields of the name, an escape, or no text."""
    assert learnt(payload).text_of(payload) is None
    assert learnt(payload, "").text_of(payload) is None


def apart(payload: bytes, number: int) -> bytes:
    """The same, in other bytes than the one before it."""
    return b" " * (number % 2) + payload


@given(streamed())
def test_an_answer_does_not_depend_on_it(found: tuple[Json, list[Json]]) -> None:
    """Chunks that are alike amount to what they would, were each of them parsed."""
    _, chunks = found
    payloads = [dumps(one) for one in chunks for _ in range(3)]

    assert outcome(payloads) == outcome([apart(one, at) for at, one in enumerate(payloads)])


def outcome(payloads: list[bytes]) -> object:
    try:
        return chat(payloads)
    except ValueError as error:
        return str(error)


def test_texts_of_messages_grow_too() -> None:
    """Of Anthropic's stream, each block of its own."""
    start = {"type": "message_start", "message": {"id": "m"}}
    events: list[Json] = [start]
    for index in range(2):
        block = {"type": "text", "text": ""}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        for word in ("One", " two", " three", "\n", "four", " five"):
            delta = {"type": "text_delta", "text": word}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})

    texts = [block["text"] for block in messages(map(dumps, events))["content"]]
    assert texts == ["One two three\nfour five"] * 2
