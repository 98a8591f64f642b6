"""A process that is killed in the middle of its writes leaves nothing torn."""

import asyncio
from itertools import product
from pathlib import Path

import aiohttp

from tests.support.completions import text_for
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Process, chat, process, settings
from tests.support.waiting import until, until_async

THINGS = (
    *("carpet", "bicycle", "kettle", "window", "mirror", "violin", "keyboard", "sofa", "oven"),
    *("helmet", "teapot", "raincoat", "guitar", "saddle", "lantern", "tent", "camera", "drum"),
)
MEANS = ("vinegar", "soap", "lemon", "steam", "sand")
QUESTIONS = [f"How do I clean a {thing} with {means}?" for thing, means in product(THINGS, MEANS)]
WRITERS = 8
BEFORE_THE_KILL = 40


class Caller:
    """Asks, and remembers what it was told for certain."""

    def __init__(self, running: Process, http: aiohttp.ClientSession) -> None:
        self._running = running
        self._http = http
        self.received: dict[str, str] = {}
        self.confirmed: set[str] = set()

    async def ask(self, text: str, **headers: str) -> tuple[int, str, str | None]:
        """(status, what was said, which tier said it)."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._http.post(
            f"{self._running.url}/chat/completions",
            json=chat(text),
            headers={"authorization": f"Bearer {KEY}", **fields},
        ) as got:
            whole = await got.json()
            said = whole["choices"][0]["message"]["content"] if got.status == 200 else ""
            return got.status, said, got.headers.get("x-cache-tier")

    async def cached(self, text: str, session: str) -> tuple[int, str, str | None]:
        """The same, without the origin and past the session tier."""
        return await self.ask(text, cache_control="only-if-cached", x_session_id=session)

    async def fill(self, questions: list[str]) -> None:
        """Ask one after the other, and look whether the answer is durable."""
        for text in questions:
            _, said, _ = await self.ask(text)
            self.received[text] = said
            status, _, tier = await self.cached(text, "checking")
            if status == 200 and tier == "shared":
                self.confirmed.add(text)


async def _fill_until_killed(running: Process) -> Caller:
    async with aiohttp.ClientSession() as http:
        caller = Caller(running, http)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(WRITERS):
                    group.create_task(caller.fill(QUESTIONS[number::WRITERS]))
                await until(lambda: len(caller.confirmed) >= BEFORE_THE_KILL, "some answers")
                running.kill()
        except* (aiohttp.ClientError, ConnectionError):
            pass
        return caller


async def test_a_kill_loses_nothing_that_was_stored(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """After a restart an answer is whole or absent, and the index knows exactly what is stored."""
    config = settings(origin.url, tmp_path, embedder={"kind": "local"})
    with process(config, tmp_path) as first:
        before = await _fill_until_killed(first)
    asked = origin.calls
    with process(config, tmp_path, "second") as second:
        async with aiohttp.ClientSession() as http:
            caller = Caller(second, http)
            stored = set()
            for text in QUESTIONS:
                status, said, _ = await caller.cached(text, "exact")
                is_near = status == 200 and said != text_for(chat(text), f"Bearer {KEY}")

                assert status in {200, 504}
                assert not is_near
                if status == 200:
                    stored.add(text)

            async def all_are_found() -> bool:
                found = [await caller.cached(_reworded(text), "near") for text in stored]
                return all(tier == "vector" for _, _, tier in found)

            await until_async(all_are_found, "the index's catching up")
            for text in QUESTIONS:
                status, said, _ = await caller.cached(_reworded(text), "near")

                assert (status == 200) == (text in stored)
                assert said in {"", text_for(chat(text), f"Bearer {KEY}")}

    assert len(before.confirmed) >= BEFORE_THE_KILL
    assert before.confirmed <= stored
    assert all(said == text_for(chat(t), f"Bearer {KEY}") for t, said in before.received.items())
    assert origin.calls == asked


def _reworded(text: str) -> str:
    """Another exact key, and the same question."""
    return text.lower().removesuffix("?")
