"""Entries as lines of JSON."""

import base64
import json
from dataclasses import fields, replace
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.entrylines import (
    Begin,
    Chat,
    End,
    LineError,
    Lines,
    begin,
    end,
    read,
    written,
)
from proxy.core.model import Answer, Entry, Usage

Json = dict[str, Any]

MADE = Entry(
    id="a" * 32,
    scope="b" * 32,
    tenant="acme",
    namespace="ns",
    model="gpt-4o",
    question="What is a cache? ☃",
    answer=Answer(
        b'{"choices": ["\xe2\x98\x83"]}',
        (b'{"a": 1}', b"\xff\x00"),
        Usage(3, 5, cached=2, service_tier="flex"),
        ("stop",),
    ),
    created_at=1764271234.567891,
    expires_at=1764274834.5,
    kept_until=inf,
    tags=("faq", "b"),
    vector=np.array([0.6, 0.8], np.float32),
    embedder="mini/int8",
    principal="d" * 32,
    confirmed=True,
)


def changed(**over: Any) -> bytes:
    """The line of that entry, with other fields; None leaves one out."""
    told: Json = {**json.loads(written(MADE)), **over}
    return json.dumps({name: value for name, value in told.items() if value != "left out"}).encode()


def test_an_entry_comes_back_whole() -> None:
    """Every field is in the line, the vector's bits and bytes that are no text among them."""
    told = read(written(MADE))

    assert isinstance(told, Entry)
    assert told == MADE
    assert told.vector is not None
    assert MADE.vector is not None
    assert told.vector.tobytes() == MADE.vector.tobytes()
    assert written(told) == written(MADE)
    names = {field.name for field in fields(Entry)} - {"answer", "private", "generation"}
    assert set(json.loads(written(MADE))) == names | {"object", "body", "frames", "usage", "finish"}
    assert set(json.loads(written(MADE))["usage"]) == {field.name for field in fields(Usage)}


def test_an_entry_without_vector_or_tokens() -> None:
    """One that only its own question finds has none of what it lacks."""
    plain = replace(MADE, vector=None, embedder="", answer=Answer(b"{}"), expires_at=inf, tags=())

    assert read(written(plain)) == plain
    assert json.loads(written(plain))["expires_at"] is None


def test_a_private_entry_has_no_line() -> None:
    """It must not leave the process."""
    with pytest.raises(ValueError, match="private"):
        written(replace(MADE, private=True))


def test_the_first_and_the_last_line() -> None:
    """They are the same each time, and say the format and the number of entries."""
    assert begin() == b'{"format":1,"object":"cache.export"}\n'
    assert end(7) == b'{"entries":7,"object":"cache.export.end"}\n'
    assert read(begin()) == Begin()
    assert read(end(7)) == End(7)
    with pytest.raises(LineError, match="format: is 2"):
        read(b'{"object":"cache.export","format":2}')


def test_a_chat() -> None:
    """What is not given has its default."""
    told = read(b'{"object":"chat","request":{"model":"m"},"response":{"id":"x"}}')

    assert isinstance(told, Chat)
    assert (told.path, told.tenant, told.created_at) == ("/v1/chat/completions", None, None)


def vector(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "is not JSON"),
        (b"7", "the line: Input should be an object"),
        (b"{}", "object: is none of cache.export, cache.export.end, chat, entry"),
        (changed(object="other"), "object: is none of"),
        (changed(id="A" * 32), "id: "),
        (changed(scope="b"), "scope: "),
        (changed(tenant="*"), "tenant: "),
        (changed(tags=[7]), "tags.0: "),
        (changed(model="left out"), "model: Field required"),
        (changed(modle="m"), "modle: Extra inputs"),
        (changed(created_at=-1), "created_at: "),
        (changed(created_at="1"), "created_at: "),
        (changed(kept_until=5), "kept_until: is before expires_at"),
        (changed(body="nonsense"), "body: is not JSON"),
        (changed(body="[]"), "body: is not a JSON object"),
        (changed(body={"base64": "!"}), "body: is not base64"),
        (changed(frames=["a", {"base64": "x"}]), "frames.1: is not base64"),
        (changed(usage={"prompt": -1}), "usage.prompt: "),
        (changed(vector=None), "embedder: goes with a vector"),
        (changed(embedder=""), "embedder: goes with a vector"),
        (changed(vector="AAA="), "vector: is not whole numbers"),
        (changed(vector=vector(3, 4)), "vector: is not of length 1"),
        (changed(vector=vector(float("nan"))), "vector: is not of length 1"),
        (changed(private=True), "private: "),
    ],
)
def test_a_line_that_is_no_good_says_where(line: bytes, problem: str) -> None:
    """The field is named, and nothing is quoted: it is what callers wrote."""
    with pytest.raises(LineError) as refused:
        read(line)

    assert str(refused.value).startswith(problem)
    assert "What is a cache" not in str(refused.value)


pieces = st.lists(st.binary(max_size=30), max_size=8)


@given(parts=pieces)
def test_lines_are_cut_wherever_pieces_end(parts: list[bytes]) -> None:
    """However a stream comes, its lines are those of the whole, with their numbers."""
    whole = b"".join(parts)
    lines = Lines(1000)
    found = [one for part in parts for one in lines.feed(part)]
    found += lines.close()

    expected = [(n, t) for n, t in enumerate(whole.split(b"\n"), 1) if t.strip()]
    assert [(one.number, one.text) for one in found] == expected


@given(parts=pieces)
def test_no_line_is_held_over_the_bound(parts: list[bytes]) -> None:
    """A longer one is told of by its number alone, and those after it are whole."""
    whole = b"".join(parts)
    lines = Lines(5)
    found = [one for part in parts for one in lines.feed(part)]
    found += lines.close()

    expected = [
        (n, None if len(t) > 5 else t)
        for n, t in enumerate(whole.split(b"\n"), 1)
        if t.strip() or len(t) > 5
    ]
    assert [(one.number, one.text) for one in found] == expected
