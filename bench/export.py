"""What exporting and importing many entries costs: `python bench/export.py [--redis] [ENTRIES]`.

A file of entries is made up, each with a vector of 384 and an answer of about a kilobyte, and goes
into a proxy, out of it, and into another and out again, by `reprise import` and `export`. Printed
are the time of each, and how much the proxy's peak of resident memory rose over it. The proxies
embed nothing, so that no index grows beside the transfer. Callers are asking meanwhile: a request
that the session tier answers, one after the other, and its worst times are printed too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import numpy as np

from proxy.core.entrylines import begin, end, written
from proxy.core.model import Answer, Entry, Usage
from tests.support.origin import scripted_origin
from tests.support.program import Json, Process, chat, merged, process, settings
from tests.support.servers import RedisServer

TOKEN = "operators-token-of-32-characters"  # noqa: S105 - of proxies that live for a minute
DIMENSION = 384
MIB = 1 << 20


def made(count: int) -> Iterator[bytes]:
    """The lines of an export of so many entries, in the order of their ids."""
    random = np.random.default_rng(1)
    now = time.time()
    yield begin()
    for number, key in enumerate(sorted(_digest(f"id {n}") for n in range(count))):
        vector = random.standard_normal(DIMENSION).astype(np.float32)
        content = f"Answer {number}. " + "It says something, and then says more. " * 20
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": f"chatcmpl-{number}", "object": "chat.completion", "choices": [choice]}
        entry = Entry(
            id=key,
            scope=_digest(f"scope {number % 100}"),
            tenant="bench",
            namespace="",
            model="gpt-4o",
            question=f"What is question number {number} about?",
            answer=Answer(json.dumps(body).encode(), usage=Usage(12, 200), finish=("stop",)),
            created_at=now,
            expires_at=now + 86400,
            kept_until=now + 86400,
            vector=vector / np.linalg.norm(vector),
            embedder="made/384",
        )
        yield written(entry)
    yield end(count)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]


def peak(pid: int) -> int:
    """Bytes, since the last `forget_peak`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def forget_peak(pid: int) -> int:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak(pid)


class Caller(threading.Thread):
    """Asks the same question again and again, and notes how long each answer took."""

    def __init__(self, running: Process) -> None:
        super().__init__(daemon=True)
        self._running = running
        self._is_over = threading.Event()
        self.took: list[float] = []

    def run(self) -> None:
        body = json.dumps(chat()).encode()
        headers = {"authorization": "Bearer sk-test", "content-type": "application/json"}
        url = f"{self._running.url}/chat/completions"
        while not self._is_over.wait(0.01):
            began = time.perf_counter()
            with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as got:  # noqa: S310 - its own
                got.read()
            self.took.append(time.perf_counter() - began)

    def end(self) -> str:
        self._is_over.set()
        self.join()
        worst = np.percentile(self.took[1:], [50, 99, 100]) * 1000
        return "hits meanwhile p50 {:.1f} p99 {:.1f} max {:.0f} ms".format(*worst)


def step(name: str, running: Process, size: int, *arguments: str) -> None:
    """One command, timed."""
    caller = Caller(running)
    caller.start()
    time.sleep(0.5)
    before = forget_peak(running.child.pid)
    began = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "proxy", *arguments],
        env={**os.environ, "ADMIN_TOKEN": TOKEN, "REPRISE_URL": running.root},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    rose = peak(running.child.pid) - before
    print(
        f"{name}: {seconds:.1f} s, {size / seconds:.0f} entries/s, peak {before / MIB:.0f} MiB "
        f"+ {rose / MIB:.0f} MiB; {caller.end()}; {ended.stdout.strip()} {ended.stderr.strip()}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entries", nargs="?", type=int, default=100_000)
    parser.add_argument("--redis", action="store_true", help="the second proxy is on Redis")
    asked = parser.parse_args()
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        origin = stack.enter_context(scripted_origin())
        files = [path / f"{name}.jsonl" for name in "abc"]
        with files[0].open("wb") as stream:
            stream.writelines(made(asked.entries))
        print(f"{asked.entries} entries, {files[0].stat().st_size / MIB:.0f} MiB", flush=True)
        urls: list[str | None] = [None, None]
        if asked.redis:
            server = RedisServer(path / "redis")
            server.start()
            stack.callback(server.kill)
            urls[1] = server.url
        for number, url in enumerate(urls):
            over: Json = {"admin": {"token": TOKEN, "allow_export": True}}
            if url is not None:
                over["cache"] = {"shared": {"url": url}}
            home = path / f"{number}"
            home.mkdir()
            with process(merged(settings(origin.url, home), over), home) as running:
                kind = "redis" if url else "sqlite"
                taken, given = map(str, files[number : number + 2])
                step(f"{kind} import", running, asked.entries, "import", taken)
                of_it = ("--tenant", "bench")  # the callers' answer is beside it
                step(f"{kind} export", running, asked.entries, "export", given, *of_it)
        same = [file.read_bytes() == files[0].read_bytes() for file in files[1:]]
        print(f"exports equal the file, byte for byte: {same}")


if __name__ == "__main__":
    main()
