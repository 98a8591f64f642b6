"""A running program with all that it needs: origin, models, and what its entries are kept in.

The timings are the shipped ones, but for the deadline: a busy machine must not make a part late
that is well.
"""

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.clocked import OFFSET, set_wrong_by
from tests.faults.models import DIMENSION, Models, models_server
from tests.faults.traffic import Traffic
from tests.support.origin import Gate, ScriptedOrigin, scripted_origin
from tests.support.program import Json, Process, merged, process, settings
from tests.support.servers import RedisServer
from tests.support.waiting import until
from tests.support.wire import Wire, wire_before

DEADLINE_S: Final = 1.0
TOKEN: Final = "an-operator-s-own-token"
KEPT: Final = ("--appendonly", "yes", "--appendfsync", "everysec")


@dataclass(slots=True)
class Place:
    """What there is, and may be made to fail.

    Attributes:
        config: The program's.
        redis: None where a file takes its place.
        connection: The one to Redis, or else to the origin.
        gate: Where the origin is held.
        lock: Another process's hold on that file.
    """

    directory: Path
    config: Json
    origin: ScriptedOrigin
    models: Models
    traffic: Traffic
    connection: Wire
    redis: RedisServer | None = None
    lock: sqlite3.Connection | None = None
    gate: Gate | None = None
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)
    _starts: int = 0

    @property
    def program(self) -> Process:
        return self.traffic.program

    @property
    def server(self) -> RedisServer:
        assert self.redis is not None
        return self.redis

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return self.directory / "reprise.db"

    @property
    def snapshot(self) -> Path:
        return self.directory / "index.snapshot"

    @property
    def config_file(self) -> Path:
        return self.directory / f"run{self._starts}.yaml"

    def write_config(self) -> None:
        """As the program was started with it."""
        self.config_file.write_text(json.dumps(self.config))

    def set_clock_wrong_by(self, seconds: float) -> None:
        set_wrong_by(self.directory / "clock", seconds)

    def signal(self, number: signal.Signals, *, worker: int | None = None) -> None:
        """To the program, or to one of its workers."""
        started = [line for line in self.program.lines if line["event"] == "worker_started"]
        pids = {line["worker"]: line["pid"] for line in started}
        os.kill(self.program.child.pid if worker is None else pids[worker], number)

    async def start(self) -> None:
        """Start the program, on what it left behind."""
        self._starts += 1
        clock = self.directory / "clock"
        if not clock.exists():
            clock.write_bytes(OFFSET.pack(0.0))
        # In a thread: the models that it asks at its start answer in this loop.
        running = process(
            self.config, self.directory, f"run{self._starts}", ("tests.faults.clocked", str(clock))
        )
        self.traffic.program = await asyncio.to_thread(running.__enter__)
        self._running.push(running.__exit__)

    async def stop(self) -> None:
        """Stop it, as an operator does."""
        await asyncio.to_thread(self.program.stop)
        await self._running.aclose()

    async def close(self) -> None:
        await self._running.aclose()

    async def says(self) -> Json:
        """What `GET /readyz` says; nothing while nobody answers."""
        try:
            async with self.traffic.http.get(f"{self.program.root}/readyz") as got:
                found: Json = await got.json()
                return found
        except (aiohttp.ClientError, OSError):
            return {"status": "away", "parts": {}}

    async def counted(self) -> dict[str, float]:
        """How often each event was told since the program's start, by `GET /metrics`."""
        async with self.traffic.http.get(f"{self.program.root}/metrics") as got:
            families = text_string_to_metric_families(await got.text())
        return {
            sample.labels["event"]: sample.value
            for family in families
            for sample in family.samples
            if sample.name == "reprise_events_total"
        }

    async def export(self) -> bytes:
        """All entries of the shared tier, as lines."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        url = f"{self.program.root}/admin/v1/export"
        async with self.traffic.http.get(url, headers=headers) as got:
            assert got.status == 200, await got.text()
            return await got.read()


@asynccontextmanager
async def placed(directory: Path, *, redis: bool = False, **over: Json) -> AsyncIterator[Place]:
    """A program, on Redis behind a wire or on an SQLite file.

    Args:
        directory: For all files.
        redis: Keep entries in Redis.
        over: Of the configuration.
    """
    async with AsyncExitStack() as stack:
        origin = stack.enter_context(scripted_origin())
        models = await stack.enter_async_context(models_server())
        # No connection is kept: one that a killed process had must not fail who asks the next one.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        server = None
        if redis:
            server = RedisServer(directory / "redis")
            stack.callback(server.kill)
            await asyncio.to_thread(server.start, *KEPT)
        wire = await stack.enter_async_context(wire_before((server or origin).port))
        config = _config(directory, models)
        if redis:
            config["cache"]["shared"]["url"] = f"redis://127.0.0.1:{wire.port}/0"
        base_url = origin.url if redis else f"http://127.0.0.1:{wire.port}/v1"
        config["upstream"]["base_url"] = base_url
        place = Place(
            directory,
            merged(config, over),
            origin,
            models,
            Traffic(None, http),  # type: ignore[arg-type]  # `start` brings it
            wire,
            server,
        )
        stack.push_async_callback(place.close)
        await place.start()
        await until(lambda: place.program.child.poll() is None, "the program")
        yield place


def _config(directory: Path, models: Models) -> Json:
    served_by_models = {"base_url": models.url, "api_key": None}
    llm = {**served_by_models, "model": "m", "ask": "every", "max_calls_per_minute": 100_000}
    llm |= {"memo_entries": 0}  # each rewording is embedded and judged
    cache: Json = {
        "deadline_ms": DEADLINE_S * 1000,
        "breaker": {"retry_s": 1},
        "shared": {"poll_s": 1},
        "vector": {"threshold": 0.99, "floor": 0.99},
        "judgement": {"verifier": "none", "llm": llm},
    }
    openai = {**served_by_models, "model": "m", "dimensions": DIMENSION}
    return settings(
        "",
        directory,
        cache=cache,
        embedder={"kind": "openai", "openai": openai, "local": {"memo_entries": 0}},
        admin={"token": TOKEN, "allow_export": True},
        upstream={"first_byte_timeout_s": 2, "idle_timeout_s": 2},
        server={"watch_config": True},
    )
