"""Ask a real model through the proxy, and compare: `python -m tests.real ENVIRONMENT`.

Everything is asked at temperature 0, four times: through the proxy, which misses; again, which
hits; and twice of the model itself. Ends with status 1 where bytes differ that must not.
"""

import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from tests.support.program import process, settings

Json = dict[str, Any]

PATIENCE_S: Final = 300.0
"""For one answer, on a machine that does much else."""

STREAMED: Final[Json] = {"stream": True}
WITH_USAGE: Final[Json] = {"stream": True, "stream_options": {"include_usage": True}}
FORMS: Final[dict[str, tuple[str, Json, Json]]] = {
    "chat": (
        "/v1/chat/completions",
        {
            "messages": [{"role": "user", "content": "Say hello"}],
            "max_tokens": 24,
            "stop": ["<|im_end|>"],
        },
        WITH_USAGE,
    ),
    "completions": (
        "/v1/completions",
        {
            "prompt": "Question: What is the capital of France?\nAnswer:",
            "max_tokens": 24,
            "stop": ["\n", "."],
        },
        WITH_USAGE,
    ),
    "responses": (
        "/v1/responses",
        {"input": "Say hello", "store": False, "max_output_tokens": 12},
        STREAMED,
    ),
}
"""By API: its path, a request whose answer ends by itself, and what makes it a stream."""

_STAMP = re.compile(
    rb'"id":"(?:chatcmpl|cmpl|resp)[-_][^"]*"|"(?:created|created_at|completed_at)":\d+'
)
_EACH_CALL = re.compile(rb'"(?:id|item_id)":"(?:msg|rs)_[^"]*"|,"timings":\{[^}]*\}')


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. `tier` is where the proxy has it from."""

    status: int
    cache: str
    body: bytes
    seconds: float

    @property
    def unstamped(self) -> bytes:
        """Without what a replay has of its own: the answer's id and time."""
        return _STAMP.sub(b"", self.body)

    @property
    def timeless(self) -> bytes:
        """Without what the model gives every call of its own: names of items, timings."""
        return _EACH_CALL.sub(b"", self.unstamped)


@dataclass(frozen=True, slots=True)
class Row:
    """Four replies to one request."""

    api: str
    form: str
    miss: Reply
    hit: Reply
    model: Reply
    model_again: Reply

    @property
    def problems(self) -> list[str]:
        """What is not as it must be."""
        statuses = [one.status for one in (self.miss, self.hit, self.model, self.model_again)]
        said = (self.miss.cache, self.hit.cache)
        checks = {
            f"statuses {statuses}": statuses == [200] * 4,
            f"x-cache {said}": said == ("MISS", "HIT"),
            "the hit is not the miss": self.hit.unstamped == self.miss.unstamped,
            "the miss is not the model's answer": self.miss.timeless == self.model.timeless,
            "the model does not repeat itself": self.model.timeless == self.model_again.timeless,
        }
        return [problem for problem, holds in checks.items() if not holds]


def ask(url: str, path: str, body: Json, **headers: str) -> Reply:
    """Ask whoever is there."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    fields = {"content-type": "application/json", "authorization": "Bearer sk-test", **headers}
    began = time.perf_counter()
    try:
        connection.request("POST", path, json.dumps(body).encode(), fields)
        got = connection.getresponse()
        whole = got.read()
        seconds = time.perf_counter() - began
        return Reply(got.status, got.getheader("x-cache", ""), whole, seconds)
    finally:
        connection.close()


@contextmanager
def model(environment: Path) -> Iterator[str]:
    """A running model's address."""
    script = Path(__file__).with_name("model.py")
    command = [environment / "bin" / "python", script, environment / "model.gguf"]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        if not url:
            raise RuntimeError("The model did not start.")
        yield url
    finally:
        child.kill()
        child.communicate()


def rows(proxy: str, origin: str) -> Iterator[Row]:
    """Each API, plain and streamed, in a namespace of its own: each is a miss once."""
    for api, (path, plain, streamed) in FORMS.items():
        for form, more in (("plain", {}), ("stream", streamed)):
            body = {"model": "gemma", "temperature": 0, **plain, **more}
            through = [
                ask(proxy, path, body, **{"x-cache-namespace": f"{api}-{form}"}) for _ in range(2)
            ]
            direct = [ask(origin, path, body) for _ in range(2)]
            yield Row(api, form, *through, *direct)


def main(arguments: list[str]) -> int:
    """Run everything and print the table; returns the exit status."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    table = Table("API", "form", "bytes", "miss", "hit", "hit = miss = model = model again")
    failed = False
    with tempfile.TemporaryDirectory() as name, model(Path(arguments[0]).absolute()) as origin:
        folder = Path(name)
        with process(settings(f"{origin}/v1", folder), folder) as proxy:
            for row in rows(proxy.root, origin):
                failed = failed or bool(row.problems)
                table.add_row(
                    row.api,
                    row.form,
                    str(len(row.hit.body)),
                    f"{row.miss.seconds:.2f} s",
                    f"{row.hit.seconds * 1000:.1f} ms",
                    "; ".join(row.problems) or "yes",
                )
                if row.problems:
                    for one in (row.miss, row.hit, row.model, row.model_again):
                        console.print(one.body.decode(), markup=False)
    console.print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
