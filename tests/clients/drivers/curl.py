"""curl: the bytes as they come over the wire, with the JSON in them read."""

import json
import re
import shutil
import subprocess
from typing import Any

from driver import (
    CHAT,
    EMBEDDING,
    FLAT_FUNCTION,
    FUNCTION,
    JSON_SCHEMA,
    SAID,
    SCHEMA,
    TEXT,
    Call,
    serve,
)

CLAUDE = "claude-sonnet-4-5"
CURL = shutil.which("curl") or "curl"


def posted(call: Call, path: str, body: dict[str, Any]) -> Any:
    headers = ["content-type: application/json", f"authorization: Bearer {call.key}"]
    if path == "messages":
        headers = [headers[0], f"x-api-key: {call.key}", "anthropic-version: 2023-06-01"]
    command = [CURL, "--silent", "--show-error", "--fail-with-body", "--no-buffer"]
    for header in headers:
        command += ["--header", header]
    command += ["--data-binary", json.dumps(body), f"{call.url}/{path}"]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if ended.returncode:
        raise RuntimeError(f"{ended.stderr.decode()} {ended.stdout.decode()}")
    return read(ended.stdout.decode(), stream=body.get("stream", False))


def read(text: str, *, stream: bool) -> Any:
    """The JSON, or each line of a stream with the JSON in it: the framing must be the same too."""
    if not stream:
        return json.loads(text)
    return [
        {"data": json.loads(line[6:])} if line.startswith("data: {") else line
        for line in text.split("\n")
    ]


def chat(call: Call, **more: Any) -> Any:
    messages = [{"role": "user", "content": call.question}]
    return posted(call, "chat/completions", {"model": CHAT, "messages": messages, **more})


def responses(call: Call, **more: Any) -> Any:
    return posted(
        call, "responses", {"model": CHAT, "input": call.question, "store": False, **more}
    )


def messages(call: Call, **more: Any) -> Any:
    said = [{"role": "user", "content": call.question}]
    return posted(call, "messages", {"model": CLAUDE, "max_tokens": 99, "messages": said, **more})


def completions(call: Call, **more: Any) -> Any:
    return posted(call, "completions", {"model": TEXT, "prompt": call.question, **more})


def embeddings(call: Call) -> Any:
    return posted(call, "embeddings", {"model": EMBEDDING, "input": [call.question, "Another."]})


USAGE = {"stream_options": {"include_usage": True}}
CLAUDE_TOOL = {"name": "look_up", "description": SAID, "input_schema": SCHEMA}
CHAT_FORMAT = {"type": "json_schema", "json_schema": JSON_SCHEMA}
FORMAT = {"type": "json_schema", **JSON_SCHEMA}
CLAUDE_FORMAT = {"type": "json_schema", "schema": SCHEMA}

if __name__ == "__main__":
    said = subprocess.run([CURL, "--version"], capture_output=True, check=True)
    serve(
        re.findall(rb"[0-9.]+", said.stdout)[0].decode(),
        {
            "chat/plain": chat,
            "chat/stream": lambda c: chat(c, stream=True, **USAGE),
            "chat/tools": lambda c: chat(c, tools=[FUNCTION]),
            "chat/tools stream": lambda c: chat(c, tools=[FUNCTION], stream=True),
            "chat/structured": lambda c: chat(c, response_format=CHAT_FORMAT),
            "responses/plain": responses,
            "responses/stream": lambda c: responses(c, stream=True),
            "responses/tools": lambda c: responses(c, tools=[FLAT_FUNCTION]),
            "responses/tools stream": lambda c: responses(c, tools=[FLAT_FUNCTION], stream=True),
            "responses/structured": lambda c: responses(c, text={"format": FORMAT}),
            "messages/plain": messages,
            "messages/stream": lambda c: messages(c, stream=True),
            "messages/tools": lambda c: messages(c, tools=[CLAUDE_TOOL]),
            "messages/tools stream": lambda c: messages(c, tools=[CLAUDE_TOOL], stream=True),
            "messages/structured": lambda c: messages(c, output_config={"format": CLAUDE_FORMAT}),
            "completions/plain": completions,
            "completions/stream": lambda c: completions(c, stream=True),
            "embeddings/plain": embeddings,
        },
    )
