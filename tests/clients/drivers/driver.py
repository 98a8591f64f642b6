"""What every Python driver shares: calls come in by standard input, results leave as JSON lines.

The first line says which cells of the matrix the client has a way for, and why not the others.
"""

import asyncio
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

CHAT = "gpt-4o"
EMBEDDING = "text-embedding-3-small"
TEXT = "gpt-3.5-turbo-instruct"


@dataclass(frozen=True, slots=True)
class Call:
    """One use of the client.

    Attributes:
        cell: What to use, as `api/feature`.
        root: The proxy's address.
        key: The credential, one for each client and cell, so that no cell answers another.
        question: What to ask.
    """

    cell: str
    root: str
    key: str
    question: str

    @property
    def url(self) -> str:
        """What most clients take as their base URL."""
        return f"{self.root}/v1"


class Fact(BaseModel):
    """What structured answers hold, and the arguments of the tool."""

    question: str
    number: int


SCHEMA: dict[str, Any] = {**Fact.model_json_schema(), "additionalProperties": False}
SAID = "Look facts up."


def look_up(question: str, number: int) -> str:
    """Look facts up."""
    return f"{number}: {question}"


FUNCTION = {
    "type": "function",
    "function": {"name": "look_up", "description": SAID, "parameters": SCHEMA},
}
"""The tool as Chat Completions describes it; `Responses` has it flat."""
FLAT_FUNCTION = {"type": "function", "strict": True, **FUNCTION["function"]}
JSON_SCHEMA = {"name": "Fact", "strict": True, "schema": SCHEMA}

Use = Callable[[Call], Any]
"""Uses the client, and gives back what its user gets; may be a coroutine function."""


def serve(release: str, can: Mapping[str, Use], cannot: Mapping[str, str] | None = None) -> None:
    """Answer calls until there are no more. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    hello = {"version": release, "can": list(can), "cannot": cannot or {}}
    print(json.dumps(hello), file=answers, flush=True)
    for line in sys.stdin:
        call = Call(**json.loads(line))
        told = _told(can[call.cell], call)
        print(json.dumps(told, default=_plain), file=answers, flush=True)


def _told(use: Use, call: Call) -> dict[str, Any]:
    try:
        result = use(call)
        return {"result": asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result}
    except Exception:  # noqa: BLE001 - whatever a client raises is its answer here
        return {"error": traceback.format_exc()}


async def _awaited(result: Any) -> Any:
    return await result


def _plain(value: Any) -> Any:
    """What JSON has no form for, as its own library gives it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return str(value)
