"""The program under test: in this process, or as a process of its own."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import openai
from aiohttp import web
from blockbuster import blockbuster_ctx
from multidict import CIMultiDictProxy

from proxy.config import Config
from proxy.config.loading import OVERRIDES
from proxy.reloading import Reloader
from proxy.runtime import Live, Runtime, open_live
from proxy.web.app import make_runner
from proxy.web.lane import Lane
from proxy.web.protocol import LaneRunner
from tests.support.waiting import PATIENCE_S, until_sync

Json = dict[str, Any]
KEY = "sk-test"


def chat(text: str = "What is a cache?", **more: Any) -> Json:
    """A chat completion request."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}


def merged(base: Json, over: Mapping[str, Any]) -> Json:
    """Nested mappings, the second over the first."""
    result = dict(base)
    for name, value in over.items():
        known = result.get(name)
        nests = isinstance(known, dict) and isinstance(value, Mapping)
        result[name] = merged(known or {}, value) if nests else value
    return result


def settings(origin_url: str, directory: Path, **over: Any) -> Json:
    """A configuration: files in the directory, exact tiers only unless the test says more."""
    base: Json = {
        "server": {"host": "127.0.0.1", "port": 0, "drain_s": 2},
        "upstream": {"base_url": origin_url},
        "cache": {
            "deadline_ms": 1000,
            "shared": {"url": f"sqlite:///{directory}/reprise.db", "poll_s": 0.05},
            "vector": {"snapshot": f"{directory}/index.snapshot"},
            "judgement": {"labels": f"{directory}/labels.db"},
            "breaker": {"retry_s": 0.05},
        },
        "embedder": {"kind": "none"},
        "telemetry": {"count_tokens": False, "log_format": "json"},
    }
    return merged(base, over)


@dataclass(frozen=True, slots=True)
class Got:
    """A reply, whole."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Json:
        """The body, parsed."""
        parsed: Json = json.loads(self.body)
        return parsed

    @property
    def text(self) -> str:
        """What the first choice says."""
        return str(self.json["choices"][0]["message"]["content"])

    @property
    def cache(self) -> str | None:
        """How the cache says it answered."""
        return self.headers.get("x-cache")

    @property
    def tier(self) -> str | None:
        """Which tier it says it was."""
        return self.headers.get("x-cache-tier")

    @property
    def code(self) -> str | None:
        """The code of an error of OpenAI's shape, whose shape is checked."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        code: str | None = error["code"]
        return code


@dataclass(slots=True)
class Served:
    """A proxy in this process, and a bare HTTP client for it."""

    port: int
    reloader: Reloader
    log: io.StringIO
    http: aiohttp.ClientSession
    runner: LaneRunner

    @property
    def runtime(self) -> Runtime:
        """What answers now."""
        return self.reloader.live.current

    @property
    def lane(self) -> Lane:
        """What answers repeats as their bytes arrive."""
        return self.runner.lane

    @property
    def root(self) -> str:
        """The server's own address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What an SDK takes as its base URL."""
        return f"{self.root}/v1"

    @property
    def lines(self) -> list[Json]:
        """The log so far, with what waits to be told."""
        self.runtime.repeats.settle()
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def events(self, name: str) -> list[Json]:
        """Its lines of one event."""
        return [line for line in self.lines if line["event"] == name]

    async def post(
        self, body: Json | bytes, key: str = KEY, *, to: str = "/chat/completions", **headers: str
    ) -> Got:
        """Ask for a completion, or what is at that path. Underscores in names stand for hyphens."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"authorization": f"Bearer {key}", "content-type": "application/json", **fields}
        data = io.BytesIO(raw)  # aiohttp warns of large bytes
        async with self.http.post(f"{self.url}{to}", data=data, headers=sent) as got:
            return Got(got.status, got.headers, await got.read())

    async def get(self, path: str, **headers: str) -> Got:
        """Get a path of the server's own."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.get(f"{self.root}{path}", headers=fields) as got:
            return Got(got.status, got.headers, await got.read())

    def sdk(self, key: str = KEY, **headers: str) -> openai.AsyncOpenAI:
        """The official client, which does not try again by itself."""
        return async_sdk(self.url, key, **headers)

    def sync_sdk(self, key: str = KEY) -> openai.OpenAI:
        """The official client without a loop: to be used in a thread."""
        return openai.OpenAI(base_url=self.url, api_key=key, max_retries=0)


def async_sdk(url: str, key: str = KEY, **headers: str) -> openai.AsyncOpenAI:
    """The official client, for any base URL."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, default_headers=fields)


class Serving(Protocol):
    """Starts a proxy before the test's origin, with what the configuration shall say else."""

    def __call__(self, **over: Any) -> AbstractAsyncContextManager[Served]:
        """Use it in `async with`."""
        ...


def reloader_of(live: Live) -> Reloader:
    """One without a file, which reads what there was at the start."""
    config = live.current.config
    return Reloader(live, lambda: config, clock=time.time)


@asynccontextmanager
async def served(config: Json, *, may_block: bool = False) -> AsyncIterator[Served]:
    """A proxy in this loop, as `reprise serve` would run it.

    Once it serves, nothing of it may block the loop: a file, a lock or a sleep raises there. Where
    another is to start in the same loop, the first one `may_block`, as any proxy does at its start.
    """
    log = io.StringIO()
    async with open_live(Config.model_validate(config), log) as live:
        reloader = reloader_of(live)
        runner = make_runner(reloader)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
            port = runner.addresses[0][1]
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as http:
                with nullcontext() if may_block else blockbuster_ctx("proxy"):
                    yield Served(port, reloader, log, http, runner)
        finally:
            await runner.cleanup()


@dataclass(slots=True)
class Process:
    """A proxy as a process of its own. `url` is what an SDK takes as its base URL."""

    child: "subprocess.Popen[bytes]"
    log: Path
    url: str = ""

    @property
    def lines(self) -> list[Json]:
        """The log so far."""
        whole = [
            line for line in self.log.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
        ]
        return [json.loads(line) for line in whole if line.startswith(b"{")]

    @property
    def root(self) -> str:
        """The server's own address."""
        return self.url.removesuffix("/v1")

    def stop(self) -> int:
        """Ask it to stop, and wait until it has; returns its exit status."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(PATIENCE_S)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self.child.kill()
        self.child.wait(PATIENCE_S)


@contextmanager
def process(
    config: Json, directory: Path, name: str = "proxy", program: Sequence[str] = ("proxy",)
) -> Iterator[Process]:
    """Start `python -m proxy serve` and wait until it listens; end it with the block."""
    file = directory / f"{name}.yaml"
    file.write_text(json.dumps(config))  # JSON is YAML too
    log = directory / f"{name}.log"
    overrides = {"CONFIG", *OVERRIDES}
    environ = {name: value for name, value in os.environ.items() if name not in overrides}
    command = [sys.executable, "-m", *program, "serve", "--config", str(file)]
    with log.open("wb") as stderr:
        child = subprocess.Popen(command, stderr=stderr, env={**environ, "PORT": "0"})
    running = Process(child, log)
    try:
        until_sync(lambda: _listens(running), "listening")
        yield running
    finally:
        if child.poll() is None:
            running.kill()


def _listens(running: Process) -> bool:
    if running.child.poll() is not None:
        raise AssertionError(f"the proxy ended: {running.log.read_text()}")
    urls = [line["url"] for line in running.lines if line["event"] == "listening"]
    running.url = urls[0] if urls else ""
    return bool(urls)
