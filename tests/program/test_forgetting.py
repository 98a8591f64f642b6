"""What was forgotten is never served again: by whichever process, and after a restart of all."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.resilience import Deadline
from tests.support.embeddings import DIMENSION, embeddings_server
from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import KEY, Json, Process, chat, merged, process, served, settings
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import PATIENCE_S, until_async
from tests.web.admin.calling import ADMIN, TOKEN, invalidate

OTHER_KEY = "sk-another-tenant"
KEPT_ON_DISK = ("--appendonly", "yes")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, how it is asked, and the selector that is to mean its entry alone."""

    text: str
    headers: dict[str, str] = field(default_factory=dict)
    model: str = "gpt-4o"
    key: str = KEY


@dataclass(slots=True)
class Door:
    """One connection to one process, kept alive."""

    root: str
    http: aiohttp.ClientSession

    async def get(self, path: str) -> Json:
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with self.http.get(self.root + path, headers=headers) as got:
            told: Json = await got.json()
            return told

    async def ask(self, asked: Asked, text: str = "", **headers: str) -> tuple[int, str]:
        """(status, id of the entry it was answered with, or that is made)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"authorization": f"Bearer {asked.key}", **asked.headers, **named}
        body = chat(text or asked.text, model=asked.model)
        url = f"{self.root}/v1/chat/completions"
        async with self.http.post(url, json=body, headers=sent) as got:
            await got.read()
            return got.status, got.headers.get("x-cache-entry", "")

    async def finds(self, asked: Asked) -> tuple[bool, bool, bool]:
        """Whether session tier, shared tier and index answer it, or any tier further down."""
        only = {"cache_control": "only-if-cached"}
        found = [
            await self.ask(asked, **only),
            await self.ask(asked, x_session_id="unheard-of", **only),
            await self.ask(asked, asked.text.lower(), x_session_id="unheard-of", **only),
        ]
        same, exact, near = (status == 200 for status, _ in found)
        return same, exact, near

    async def forget(self, **selector: Any) -> Json:
        headers = {"authorization": f"Bearer {TOKEN}"}
        url = f"{self.root}/admin/v1/invalidate"
        async with self.http.post(url, json=selector, headers=headers) as got:
            told: Json = await got.json()
            assert got.status == 200, told
            return told


@dataclass(frozen=True, slots=True)
class Fleet:
    """Processes that share one cache, and how each of them is reached."""

    running: list[Process]
    doors: list[Door]

    async def all_find(self, asked: Asked, *, how: tuple[bool, bool, bool]) -> bool:
        return all([await door.finds(asked) == how for door in self.doors])

    def kill(self) -> None:
        """End every process of it in the middle of whatever it does."""
        for one in self.running:
            started = [line for line in one.lines if line["event"] == "worker_started"]
            one.child.send_signal(signal.SIGSTOP)  # or it would start others
            for line in started:
                os.kill(line["pid"], signal.SIGKILL)
            one.kill()


EVERYWHERE, NOWHERE = (True, True, True), (False, False, False)

Start = Callable[[str], list[Json]]
"""The configurations of a fleet, given the Redis."""


def alone(_redis: str) -> list[Json]:
    return [{}]


def workers(_redis: str) -> list[Json]:
    return [{"server": {"workers": 2}}]


def replicas(redis: str) -> list[Json]:
    both = {"cache": {"shared": {"url": redis}}}
    return [
        merged(both, {"cache": {"vector": {"snapshot": f"index{number}.snapshot"}}})
        for number in range(2)
    ]


def sharing_an_index(redis: str) -> list[Json]:
    return [{"cache": {"shared": {"url": redis}, "vector": {"backend": "redis"}}}] * 2


@asynccontextmanager
async def fleet(configs: list[Json], directory: Path, name: str) -> AsyncIterator[Fleet]:
    """Start it, and reach every process of it."""
    async with AsyncExitStack() as stack:

        async def start(number: int) -> Process:
            one = process(configs[number], directory, f"{name}{number}")
            running = await asyncio.to_thread(one.__enter__)
            stack.push(one.__exit__)
            return running

        running = await asyncio.gather(*map(start, range(len(configs))))
        doors: list[Door] = []
        for one, config in zip(running, configs, strict=True):
            wanted, found = config["server"].get("workers", 1), dict[int, Door]()
            while len(found) < wanted:
                connector = aiohttp.TCPConnector(limit=1)
                http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
                door = Door(one.root, http)
                found.setdefault(int((await door.get("/readyz")).get("worker", 0)), door)
            doors += found.values()
        yield Fleet(running, doors)


def config_of(origin: ScriptedOrigin, directory: Path, port: int, over: Json) -> Json:
    """Texts that differ in case alone have one vector, and nobody reads them."""
    snapshot = over.get("cache", {}).get("vector", {}).get("snapshot")
    if snapshot:
        over = merged(over, {"cache": {"vector": {"snapshot": str(directory / snapshot)}}})
    remote = {"base_url": f"http://127.0.0.1:{port}/v1", "model": "m", "dimensions": DIMENSION}
    base = settings(
        origin.url,
        directory,
        admin=ADMIN,
        embedder={"kind": "openai", "openai": remote},
        cache={"vector": {"threshold": 0.97}, "judgement": {"verifier": "none"}},
    )
    return merged(base, over)


QUESTIONS = {
    "older_than": Asked("How do I clean a Kettle?"),
    "ids": Asked("How do I clean a Carpet?"),
    "tags": Asked("How do I clean a Mirror?", {"x-cache-tags": "faq"}),
    "namespace": Asked("How do I clean a Violin?", {"x-cache-namespace": "docs"}),
    "model": Asked("How do I clean a Sofa?", model="gpt-5"),
    "tenant": Asked("How do I clean a Tent?", key=OTHER_KEY),
    "like": Asked("How do I clean a Drum?"),
    "everything": Asked("How do I clean a Camera?"),
}
"""What each selector is to mean; the last means what is left."""


async def _fill(these: Fleet) -> dict[str, Json]:
    """Have every process answer every question; returns the selectors."""
    selectors: dict[str, Json] = {}
    for name, asked in QUESTIONS.items():
        _, entry = await these.doors[0].ask(asked)

        async def is_found(asked: Asked = asked) -> bool:
            return await these.all_find(asked, how=EVERYWHERE)

        await until_async(is_found, f"what is to be forgotten by {name}")
        told = await these.doors[-1].get(f"/admin/v1/entries/{entry}")
        selectors[name] = {
            "older_than": {"older_than": told["created_at"] + 0.000_01},
            "ids": {"ids": [entry]},
            "tags": {"tags": ["faq"]},
            "namespace": {"namespace": "docs"},
            "model": {"model": "gpt-5"},
            "tenant": {"tenant": told["tenant"]},
            "like": {"like": asked.text.upper(), "at_least": 0.97},
            "everything": {"everything": True},
        }[name]
    return selectors


async def _forgotten(these: Fleet, gone: list[Asked], left: list[Asked]) -> None:
    async def has_come_about() -> bool:
        return all([await these.all_find(one, how=NOWHERE) for one in gone])

    await until_async(has_come_about, "every process's forgetting")
    for one in left:
        for door in these.doors:
            assert await door.finds(one) == EVERYWHERE, one


@pytest.mark.parametrize(
    "start", [alone, workers, replicas, sharing_an_index], ids=lambda one: str(one.__name__)
)
async def test_what_is_forgotten_is_never_served_again(
    start: Start, origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """By each selector: no tier of any process has it, and none has it after all were killed.

    What no selector has meant yet is served all the while, from every tier.
    """
    redis, port = RedisServer(tmp_path / "redis"), free_port()
    needs_redis = start in {replicas, sharing_an_index}
    configs = [config_of(origin, tmp_path, port, over) for over in start(redis.url)]
    names = list(QUESTIONS)
    try:
        if needs_redis:
            await asyncio.to_thread(redis.start, *KEPT_ON_DISK)
        async with embeddings_server(port):
            async with fleet(configs, tmp_path, "first") as these:
                selectors = await _fill(these)
                for at, name in enumerate(names[:-1]):
                    # By one process, and then by the other.
                    door = these.doors[at % len(these.doors)]
                    counted = await door.forget(**selectors[name], dry_run=True)
                    assert counted["count"] == 1, name

                    await door.forget(**selectors[name])
                    left = [QUESTIONS[one] for one in names[at + 1 :]]
                    await _forgotten(these, [QUESTIONS[name]], left)
                these.kill()
            if needs_redis:
                redis.kill()
                await asyncio.to_thread(redis.start, *KEPT_ON_DISK)
            async with fleet(configs, tmp_path, "second") as these:
                kept = QUESTIONS[names[-1]]

                async def is_found() -> bool:
                    return all(
                        [(await door.finds(kept))[1:] == (True, True) for door in these.doors]
                    )

                await until_async(is_found, "what was kept")
                gone = [QUESTIONS[one] for one in names[:-1]]
                await _forgotten(these, gone, [])
                await these.doors[-1].forget(everything=True)
                await _forgotten(these, [*gone, kept], [])
    finally:
        redis.kill()


@pytest.mark.parametrize("name", QUESTIONS)
async def test_a_call_under_way_elsewhere_is_overtaken(
    name: str, origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """Its caller gets the answer, which nobody is given again: it was asked for before."""
    port, asked = free_port(), QUESTIONS[name]
    config = config_of(origin, tmp_path, port, {})
    gate = Gate()
    async with (
        embeddings_server(port),
        served(config, may_block=True) as one,
        served(config) as two,
    ):
        headers = {header.replace("-", "_"): value for header, value in asked.headers.items()}
        body = chat(asked.text, model=asked.model)
        first = await two.post(body, asked.key, **headers)
        entry = first.headers["x-cache-entry"]
        await two.runtime.store.idle(Deadline(PATIENCE_S))
        told = await one.runtime.catalogue.find(entry)
        assert told is not None
        await two.runtime.invalidate(Selector(ALL_TENANTS, everything=True))
        origin.acts.append(Act(before=gate))
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(two.post(body, asked.key, **headers))
            await gate.reached()
            selector: dict[str, Json] = {
                "older_than": {"older_than": told.created_at + 3600},
                "ids": {"ids": [entry]},
                "tags": {"tags": ["faq"]},
                "namespace": {"namespace": "docs"},
                "model": {"model": "gpt-5"},
                "tenant": {"tenant": told.tenant},
                "like": {"like": asked.text.upper(), "at_least": 0.97},
                "everything": {"everything": True},
            }
            done = await invalidate(one, **selector[name])
            assert done.status == 200
            gate.open()
        await two.runtime.store.idle(Deadline(PATIENCE_S))
        again = await two.post(body, asked.key, cache_control="only-if-cached", **headers)
        elsewhere = await one.post(body, asked.key, cache_control="only-if-cached", **headers)

    assert asking.result().status == 200
    assert (again.status, elsewhere.status) == (504, 504)
