"""Callers who ask at a steady rate, and an operator who meanwhile changes the file."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Json, Process, chat, merged, process, settings
from tests.support.waiting import until

HEADERS = {"authorization": f"Bearer {KEY}"}
TOKEN = "an-operator-s-own-token"
ADMIN = {"authorization": f"Bearer {TOKEN}"}
QUESTION, REWORDED = "How do I reset my password?", "How can I reset my password?"


@dataclass(slots=True)
class Load:
    """Requests to one proxy, of which every third is a stream; new ones are misses.

    Attributes:
        url: What an SDK takes as its base URL.
        rate: Requests a second, which are sent whether or not those before are answered.
        answered: Requests that were answered whole.
        faults: What went wrong, one line each.
    """

    url: str
    rate: float = 100.0
    answered: int = 0
    faults: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until told to stop, and until the last is answered."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:
            number, begins = 0, time.monotonic()
            while not self.over.is_set():
                group.create_task(self._ask(http, number))
                number += 1
                await asyncio.sleep(max(0.0, begins + number / self.rate - time.monotonic()))

    async def _ask(self, http: aiohttp.ClientSession, number: int) -> None:
        is_stream = number % 3 == 0
        text = f"What is number {number}?" if number % 2 else "What do all ask?"
        url = f"{self.url}/chat/completions"
        try:
            async with http.post(url, json=chat(text, stream=is_stream), headers=HEADERS) as got:
                body = await got.read()
                is_whole = body.endswith(b"data: [DONE]\n\n") if is_stream else body[-1:] == b"}"
                if got.status == 200 and is_whole:
                    self.answered += 1
                else:
                    self.faults.append(f"{number}: {got.status} {body[-200:]!r}")
        except (aiohttp.ClientError, OSError) as error:
            self.faults.append(f"{number}: {error!r}")


class Caller:
    """Somebody who asks a proxy, and changes its file."""

    def __init__(self, running: Process, file: Path, http: aiohttp.ClientSession) -> None:
        self.running = running
        self.file = file
        self.http = http
        self.config: Json = json.loads(file.read_text())

    def write(self, **over: Json) -> None:
        """Another file in its place, as an editor puts it there."""
        self.config = merged(self.config, over)
        beside = self.file.with_suffix(".new")
        beside.write_text(json.dumps(self.config))
        beside.replace(self.file)

    async def ask(self, text: str, **headers: str) -> tuple[int, str | None]:
        """(status, `x-cache`)."""
        fields = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.running.url}/chat/completions"
        async with self.http.post(url, json=chat(text), headers=fields) as got:
            await got.read()
            return got.status, got.headers.get("x-cache")

    async def operate(self, method: str, path: str) -> tuple[int, Json]:
        """A call of the admin API."""
        url = f"{self.running.root}/admin/v1/{path}"
        async with self.http.request(method, url, headers=ADMIN) as got:
            found: Json = await got.json()
            return got.status, found

    async def metrics(self) -> str:
        async with self.http.get(f"{self.running.root}/metrics") as got:
            return await got.text()

    async def hits(self, text: str) -> bool:
        """Whether the cache alone would answer it."""
        status, _ = await self.ask(text, cache_control="only-if-cached", x_session_id="another")
        return status == 200

    def events(self, name: str) -> list[Json]:
        return [line for line in self.running.lines if line["event"] == name]

    async def heard(self, name: str, times: int = 1) -> Json:
        """Wait for that many events; the last one."""
        await until(lambda: len(self.events(name)) >= times, f"{name} {times}")
        return self.events(name)[-1]


@asynccontextmanager
async def calling(origin: ScriptedOrigin, directory: Path, **over: Json) -> AsyncIterator[Caller]:
    config = settings(origin.url, directory, admin={"token": TOKEN})
    with process(merged(config, over), directory) as running:
        async with aiohttp.ClientSession() as http:
            yield Caller(running, directory / "proxy.yaml", http)


@asynccontextmanager
async def loaded(running: Process) -> AsyncIterator[Load]:
    """A hundred requests a second inside the block, and some more before and after it."""
    load = Load(running.url)

    async def answered(more: int) -> None:
        goal = load.answered + more
        await until(lambda: load.answered >= goal or bool(load.faults), "load")

    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        try:
            await answered(50)
            yield load
            await answered(50)
        finally:
            load.over.set()
