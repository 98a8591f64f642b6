"""Anthropic's Python client."""

from importlib.metadata import version
from typing import Any

from anthropic import Anthropic
from driver import SAID, SCHEMA, Call, Fact, serve

MODEL = "claude-sonnet-4-5"
TOOL: Any = {"name": "look_up", "description": SAID, "input_schema": SCHEMA}


def client(call: Call) -> Anthropic:
    return Anthropic(base_url=call.root, api_key=call.key, max_retries=0)


def asked(call: Call) -> dict[str, Any]:
    messages = [{"role": "user", "content": call.question}]
    return {"model": MODEL, "max_tokens": 1000, "messages": messages}


def plain(call: Call) -> Any:
    return client(call).messages.create(**asked(call))


def stream(call: Call) -> Any:
    with client(call).messages.stream(**asked(call)) as events:
        told = [event.model_dump(mode="json") for event in events]
        return [told, events.get_final_message()]


def tools(call: Call) -> Any:
    return client(call).messages.create(**asked(call), tools=[TOOL])


def tools_stream(call: Call) -> Any:
    with client(call).messages.stream(**asked(call), tools=[TOOL]) as events:
        return [[event.type for event in events], events.get_final_message()]


def structured(call: Call) -> Any:
    got = client(call).messages.parse(**asked(call), output_format=Fact)
    assert isinstance(got.parsed_output, Fact)
    return got


if __name__ == "__main__":
    serve(
        version("anthropic"),
        {
            "messages/plain": plain,
            "messages/stream": stream,
            "messages/tools": tools,
            "messages/tools stream": tools_stream,
            "messages/structured": structured,
        },
    )
