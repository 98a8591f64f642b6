"""What a stream costs in the core: parsing, recording, filtering, folding, unfolding, replaying.

Run with `python -m pytest bench/test_stream.py`.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from proxy.core.dialects.base import Stamp
from proxy.core.dialects.chat import Chat
from proxy.core.dialects.chat_unfold import unfold
from proxy.core.dialects.stamping import refresh
from proxy.core.model import Answer
from proxy.core.sse import Parser, encode
from proxy.core.stream import LiveFilter, Marks, Recorder, replay

WORDS = 197
"""With the opening, the finish and the usage: 200 chunks."""

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-BdOQmR2xVZ0m4m9kz9nU2Yw2B5c1e",
    "object": "chat.completion",
    "created": 1_750_000_000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "word " * WORDS, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 20, "completion_tokens": WORDS, "total_tokens": 20 + WORDS},
    "service_tier": "default",
    "system_fingerprint": "fp_34a54ae93c",
}
ANSWER["choices"][0]["message"]["content"] = ("word " * WORDS).rstrip()


def as_origin_writes(frame: bytes) -> bytes:
    """OpenAI's order of fields: id, object, created, model, tier, fingerprint, choices, usage."""
    chunk = json.loads(frame)
    order = ("id", "object", "created", "model", "service_tier", "system_fingerprint", "choices")
    ordered = {name: chunk[name] for name in order} | chunk
    return json.dumps(ordered, separators=(",", ":")).encode()


FRAMES = tuple(map(as_origin_writes, unfold(ANSWER, include_usage=True)))
EVENTS = [encode(frame) for frame in (*FRAMES, b"[DONE]")]
STREAM = b"".join(EVENTS)
BODY = json.dumps(ANSWER).encode()
STAMP = Stamp("chatcmpl-0123456789abcdef0123456789abcdef", 1_760_000_000)


def parse(pieces: list[bytes]) -> int:
    parser = Parser()
    return sum(len(parser.feed(piece)) for piece in pieces)


def record(pieces: list[bytes]) -> bool:
    recorder = Recorder(Chat(), 1 << 20, Marks())
    for piece in pieces:
        recorder.feed(piece)
    return bool(recorder.answer() and recorder.frames)


def watch(pieces: list[bytes]) -> int:
    live = LiveFilter(Marks(), hide_usage=True)
    return sum(len(live.feed(piece)) for piece in pieces)


def play(answer: Answer) -> int:
    return sum(len(piece) for _, piece in replay(Chat(), answer, STAMP, include_usage=False))


CASES: dict[str, Callable[[], object]] = {
    "parse 200 chunks, one a piece": lambda: parse(EVENTS),
    "parse 200 chunks, one piece": lambda: parse([STREAM]),
    "parse 200 chunks of CRLF, one piece": lambda: parse([STREAM.replace(b"\n", b"\r\n")]),
    "parse one event of 1 MiB in 16 KiB pieces": lambda: parse([b"data: ", *[b"x" * 16384] * 64]),
    "record and fold 200 chunks, one a piece": lambda: record(EVENTS),
    "record and fold 200 chunks, one piece": lambda: record([STREAM]),
    "filter 200 chunks, one a piece": lambda: watch(EVENTS),
    "unfold 200 chunks": lambda: unfold(ANSWER, include_usage=True),
    "refresh a body": lambda: refresh(BODY, STAMP),
    "replay 200 recorded chunks": lambda: play(Answer(BODY, FRAMES)),
    "replay a body as 200 chunks": lambda: play(Answer(BODY)),
}


@pytest.mark.parametrize("name", CASES)
def test_streams(benchmark: BenchmarkFixture, name: str) -> None:
    """Timings are printed and never fail."""
    benchmark(CASES[name])
