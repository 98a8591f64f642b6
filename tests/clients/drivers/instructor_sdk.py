"""Instructor: every answer is an object."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import instructor
from driver import CHAT, Call, Fact, serve
from instructor import Mode
from openai import OpenAI


def client(call: Call, mode: Mode) -> Any:
    openai = OpenAI(base_url=call.url, api_key=call.key, max_retries=0)
    return instructor.from_openai(openai, mode=mode)


def asked(call: Call) -> dict[str, Any]:
    messages = [{"role": "user", "content": call.question}]
    return {"model": CHAT, "messages": messages, "max_retries": 0}


def plain(call: Call) -> Any:
    return client(call, Mode.TOOLS).create(**asked(call), response_model=None)


def stream(call: Call) -> Any:
    return list(client(call, Mode.JSON_SCHEMA).create_partial(**asked(call), response_model=Fact))


def tools(call: Call) -> Any:
    """The arguments of several calls."""
    got = client(call, Mode.PARALLEL_TOOLS).create(**asked(call), response_model=Iterable[Fact])
    return list(got)


def tools_stream(call: Call) -> Any:
    return list(client(call, Mode.TOOLS).create_partial(**asked(call), response_model=Fact))


def structured(call: Call) -> Any:
    got = client(call, Mode.JSON_SCHEMA).create_with_completion(**asked(call), response_model=Fact)
    fact, completion = got
    assert isinstance(fact, Fact)
    return [fact, completion]


def responses_plain(call: Call) -> Any:
    made = client(call, Mode.RESPONSES_TOOLS)
    return made.create(**asked(call), store=False, response_model=None)


def responses_stream(call: Call) -> Any:
    made = client(call, Mode.RESPONSES_TOOLS)
    return list(made.create_partial(**asked(call), store=False, response_model=Fact))


def responses_structured(call: Call) -> Any:
    made = client(call, Mode.RESPONSES_TOOLS)
    fact = made.create(**asked(call), store=False, response_model=Fact)
    assert isinstance(fact, Fact)
    return fact


OBJECTS = "with Responses its objects are tools' arguments already: see stream and structured"

if __name__ == "__main__":
    serve(
        version("instructor"),
        {
            "chat/plain": plain,
            "chat/stream": stream,
            "chat/tools": tools,
            "chat/tools stream": tools_stream,
            "chat/structured": structured,
            "responses/plain": responses_plain,
            "responses/stream": responses_stream,
            "responses/structured": responses_structured,
        },
        {"responses/tools": OBJECTS, "responses/tools stream": OBJECTS},
    )
