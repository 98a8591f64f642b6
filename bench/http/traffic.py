"""What is asked and answered, everywhere the same."""

import json

KEY = "sk-bench"

MODEL = "gpt-4o"

CHUNKS = 100
"""Of a streamed answer."""

TEXT = "A cache keeps what was asked. " * 18

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": TEXT},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 100, "total_tokens": 220},
    }
)
"""About 750 bytes, 900 with its head."""

HERE = "@@"
"""Where a script puts a number that makes the question another one."""

LONG_QUESTION = "What is a cache? " * 24


def question(text: str = LONG_QUESTION, **more: object) -> bytes:
    """A chat completion request: 550 bytes with its own text.

    It asks for temperature 0, without which some peers do not cache.
    """
    message = {"role": "user", "content": text}
    body = {"model": MODEL, "messages": [message], "temperature": 0, **more}
    return json.dumps(body).encode()


def sized(size: int) -> bytes:
    """A request of about so many bytes."""
    return question(f"What is a cache? {'Tell me all about it. ' * (size // 22)}"[: size - 100])


def fresh(**more: object) -> bytes:
    """A request that is another one every time: see `HERE`."""
    return question(f"Number {HERE}: {LONG_QUESTION}", **more)


def frame(content: str) -> str:
    """One chunk of a streamed answer, as JSON."""
    delta = {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": MODEL,
            "choices": [choice],
        }
    )


def last_frame() -> str:
    """The chunk that says why the answer ends."""
    return frame("").replace('{"content": ""}', "{}").replace("null", '"stop"')
