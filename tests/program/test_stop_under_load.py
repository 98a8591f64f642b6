"""SIGTERM in the middle of traffic: nobody is let down, and nothing that was promised is lost."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp

from tests.faults.traffic import Ask, Traffic, is_right, said
from tests.support.origin import Act, ScriptedOrigin
from tests.support.program import KEY, Process, chat, process, settings
from tests.support.waiting import until

CALLERS = 24
BEFORE = 100
"""Answers before the signal."""


@dataclass(slots=True)
class Crowd:
    """Callers who each ask one new question after the other, half of them for streams.

    Attributes:
        promised: Questions whose answer came whole, and said that it is stored or was a stream.
        let_down: Requests that were taken, and not answered whole and right.
    """

    running: Process
    promised: list[str] = field(default_factory=list)
    let_down: list[str] = field(default_factory=list)
    answered: int = 0

    async def ask_on(self, number: int) -> None:
        """Until no connection can be made any more."""
        connector = aiohttp.TCPConnector(force_close=number % 3 == 0)
        async with aiohttp.ClientSession(connector=connector) as http:
            for turn in count():
                question = f"What is number {number} in turn {turn}?"
                try:
                    await self._ask(http, question, stream=number % 2 == 0)
                except aiohttp.ClientConnectorError:
                    return
                except (aiohttp.ClientError, OSError) as error:
                    self.let_down.append(f"{question} {error!r}")

    async def _ask(self, http: aiohttp.ClientSession, question: str, *, stream: bool) -> None:
        async with http.post(
            f"{self.running.url}/chat/completions",
            json=chat(question, stream=True) if stream else chat(question),
            headers={"authorization": f"Bearer {KEY}"},
        ) as got:
            body = await got.read()
            if got.status != 200 or not is_right(said(body, stream=stream), question, KEY):
                self.let_down.append(f"{question} {got.status} {body[-200:]!r}")
                return
            self.answered += 1
            if stream or "; stored" in got.headers["cache-status"]:
                self.promised.append(question)


async def test_a_stop_under_load_loses_nothing(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Whoever was let in gets all of the answer; and all that was to be stored is found again."""
    origin.always = Act(pause_s=0.01)
    config = settings(origin.url, tmp_path, server={"drain_s": 20})
    with process(config, tmp_path) as running:
        crowd = Crowd(running)
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(crowd.ask_on(number))
            await until(lambda: crowd.answered >= BEFORE, "answers")
            status = await asyncio.to_thread(running.stop)
    with process(config, tmp_path, "second") as second:
        async with aiohttp.ClientSession() as http:
            traffic = Traffic(second, http)
            found = [await traffic.ask(Ask(KEY, one, only_cached=True)) for one in crowd.promised]

    assert status == 0
    assert crowd.let_down == []
    assert len(crowd.promised) >= BEFORE
    assert [str(one) for one in found if not one.is_right] == []
