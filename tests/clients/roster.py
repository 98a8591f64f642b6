"""The clients of the matrix: which program drives each, and in which environment."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.support.origin import Act

DRIVERS = Path(__file__).parent / "drivers"

QUESTION: Final = "What is jazz, if not jazz?"

CALLS: Final = Act(calls=True)
"""The origin calls the tool that is offered, twice."""

FACT: Final = Act(text=json.dumps({"question": QUESTION, "number": 7}))
"""It says what structured answers hold."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client program.

    Attributes:
        name: As its users call it.
        driver: File in `drivers` that uses it.
        environment: Folder of `.clients` that it is installed in; empty: this environment.
        plays: How the origin answers in some of its cells, in place of `matrix.PLAYS`.
    """

    name: str
    driver: str
    environment: str
    plays: Mapping[str, Act] = field(default_factory=dict)

    def command(self, environments: Path) -> list[str]:
        """What starts the driver."""
        if self.driver.endswith(".mjs"):
            node = environments / "current" / "bin" / "node"
            return [str(node), str(environments / self.environment / self.driver)]
        python = environments / self.environment / "bin" / "python"
        return [str(python) if self.environment else sys.executable, str(DRIVERS / self.driver)]


CLIENTS: Final = (
    Client("openai (Python)", "openai_sync.py", "current"),
    Client("openai (Python, async)", "openai_async.py", "current"),
    Client("openai (Node)", "openai.mjs", "node"),
    Client("anthropic", "anthropic_sdk.py", "current"),
    Client("langchain-openai", "langchain_openai_sdk.py", "current"),
    Client("llama-index", "llama_index_sdk.py", "older"),
    # An agent's structured answer is the arguments of a tool that it makes up.
    Client("pydantic-ai", "pydantic_ai_sdk.py", "current", {"chat/structured": CALLS}),
    # What is streamed is an object; with Responses an object is a tool's arguments.
    Client(
        "instructor",
        "instructor_sdk.py",
        "older",
        {"chat/stream": FACT, "responses/stream": CALLS, "responses/structured": CALLS},
    ),
    Client("openai-agents", "openai_agents_sdk.py", "current"),
    Client("Vercel AI SDK", "ai.mjs", "node"),
    Client("Vercel AI SDK, openai-compatible", "ai_compatible.mjs", "node"),
    Client("llm", "llm_cli.py", "current"),
    Client("litellm", "litellm_sdk.py", "current"),
    Client("curl", "curl.py", ""),
)
