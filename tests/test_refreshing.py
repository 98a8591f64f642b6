"""What holds a refresh in the background back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.refreshing import Refreshes
from proxy.resilience import Tasks
from tests.support.ports import Heard
from tests.support.waiting import until


class World:
    """Refreshes on a clock that stands still, each waiting at one gate for its outcome."""

    def __init__(self) -> None:
        self.now = 0.0
        self.heard = Heard()
        self.gate = asyncio.Event()
        self.reason: str | None = None
        self.began = 0
        self.tasks = Tasks(self.heard)
        self.refreshes = Refreshes(
            self.tasks, self.heard, most_at_once=3, retry_s=5, clock=lambda: self.now
        )

    def begin(self, entry: str, caller: str = "me") -> bool:
        return self.refreshes.begin(entry, caller, self._work)

    async def _work(self) -> str | None:
        self.began += 1
        await self.gate.wait()
        return self.reason

    async def end(self, reason: str | None = None) -> None:
        """Let all that wait end so."""
        self.reason = reason
        told = len(self.heard.events) + 1
        self.gate.set()
        await until(lambda: len(self.heard.events) >= told)
        self.gate.clear()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.tasks.close()


async def test_one_at_a_time_for_an_entry(world: World) -> None:
    """Whoever asks; once it is over the next may begin."""
    assert [world.begin("a"), world.begin("a"), world.begin("a", "you")] == [True, False, False]
    await world.end()

    assert world.heard.events == [("entry_refreshed", {"entry": "a"})]
    assert world.begin("a")


async def test_few_at_once(world: World) -> None:
    """More than so many are not begun, and not remembered."""
    assert [world.begin(name) for name in "abcd"] == [True, True, True, False]
    await until(lambda: world.began == 3)


async def test_a_failure_holds_its_caller_back(world: World) -> None:
    """For a while, and nobody else: a key that was revoked is its owner's trouble."""
    world.begin("a")
    await world.end("status 401")

    assert world.heard.events == [("refresh_failed", {"entry": "a", "reason": "status 401"})]
    assert not world.begin("a")
    assert world.begin("b")
    assert world.begin("a", "you")
    await world.end()
    world.now = 4.9
    assert not world.begin("a")
    world.now = 5.0
    assert world.begin("a")


async def test_a_success_forgets_the_failure(world: World) -> None:
    """An answer that lives for a second may be refreshed every second."""
    world.begin("a")
    await world.end("late")
    world.now = 6.0
    world.begin("a")
    await world.end()

    assert world.begin("a")
