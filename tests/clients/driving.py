"""A driver: a program that uses one client, as a process spoken to by lines of JSON."""

import json
import os
import selectors
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PATIENCE_S: Final = 90.0
"""For one use; a client's first import may take long on a slow machine."""


class DriverError(Exception):
    """A driver that ended, or is stuck: it answers no more."""


@dataclass(slots=True)
class Driver:
    """A running one. `can` names its cells, `cannot` says why it has no others."""

    child: "subprocess.Popen[bytes]"
    errors: Path
    version: str = ""
    can: Sequence[str] = ()
    cannot: Mapping[str, str] = field(default_factory=dict)
    _rest: bytes = b""

    def use(self, cell: str, root: str, key: str, question: str) -> dict[str, Any]:
        """What the client gave its user, as `result`, or how it failed, as `error`.

        Raises DriverError.
        """
        assert self.child.stdin is not None
        call = {"cell": cell, "root": root, "key": key, "question": question}
        try:
            self.child.stdin.write(json.dumps(call).encode() + b"\n")
            self.child.stdin.flush()
        except OSError as error:
            raise self._ended() from error
        return self.read()

    def read(self) -> dict[str, Any]:
        """Its next line. Raises DriverError when it ends, or says nothing for too long."""
        assert self.child.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.child.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(PATIENCE_S):
                    self.child.kill()  # or it would answer the next call with this one's result
                    raise DriverError(f"no answer within {PATIENCE_S:.0f} s")
                piece = os.read(self.child.stdout.fileno(), 1 << 20)
                if not piece:
                    raise self._ended()
                self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told

    def _ended(self) -> DriverError:
        return DriverError(f"the driver ended: {self.errors.read_text()}")


@contextmanager
def driver(command: list[str], directory: Path) -> Iterator[Driver]:
    """Start a driver, in a directory of its own, without what this environment says of OpenAI.

    Raises DriverError when it does not start.
    """
    directory.mkdir()
    errors = directory / "stderr"
    hidden = ("OPENAI_", "ANTHROPIC_", "LLM_", "LITELLM_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environ |= {"HOME": str(directory), "NO_COLOR": "1"}
    with errors.open("wb") as stderr:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environ,
            cwd=directory,
        )
    running = Driver(child, errors)
    try:
        hello = running.read()
        running.version, running.can = hello["version"], hello["can"]
        running.cannot = hello["cannot"]
        yield running
    finally:
        child.kill()
        child.communicate()  # closes the pipes
