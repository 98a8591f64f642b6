"""A process is announced while it serves, and never in anybody's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.announcing import Announcer, Condition
from proxy.resilience import Stage, Tasks
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitepresence import SqlitePresence
from tests.core.test_presence import REPLICA
from tests.support.ports import Heard
from tests.support.waiting import until, until_async
from tests.tiers.builders import FakeClock, entry


@dataclass
class Parts:
    """An announcer over a real file, on a clock that stands still."""

    tier: SqliteTier
    presence: SqlitePresence
    heard: Heard
    tasks: Tasks
    clock: FakeClock
    condition: Condition = field(default_factory=lambda: Condition((None,), {}, {}))

    def announcer(self, name: str = "a1", every_s: float = 0.01) -> Announcer:
        stage = Stage("shared", self.tier.start, tasks=self.tasks, observer=self.heard)
        return Announcer(
            self.presence,
            stage,
            replace(REPLICA, id=name),
            lambda: self.condition,
            every_s=every_s,
            clock=self.clock,
            observer=self.heard,
        )

    async def ids(self) -> list[str]:
        return [one.id for one in await self.presence.present()]


@asynccontextmanager
async def parts_in(directory: Path) -> AsyncIterator[Parts]:
    clock, heard = FakeClock(), Heard()
    tier = SqliteTier(directory / "x.db", clock=clock, on_event=heard.event)
    tasks = Tasks(heard)
    await tier.start()
    yield Parts(tier, SqlitePresence(tier, clock=clock), heard, tasks, clock)
    await tasks.close()
    await tier.close()


async def test_nothing_is_said_before_it_serves(tmp_path: Path) -> None:
    """Who only looks, as `reprise explain` does, is nobody's replica; once it serves, it is."""
    async with parts_in(tmp_path) as parts:
        quiet, one = parts.announcer("quiet"), parts.announcer()
        for announcer in (quiet, one):
            parts.tasks.run("announce", announcer.keep_announcing())
        one.appear("http://0.0.0.0:1/v1")

        async def is_there() -> bool:
            return await parts.ids() == ["a1"]

        await until_async(is_there, "the first word")
        [told] = await one.present()

        assert told.url == "http://one:1/v1"
        assert one.stats() == {"present": 1}
        assert quiet.stats() == {}


async def test_it_says_how_it_is_now(tmp_path: Path) -> None:
    """Parts, entries, and how far behind the log it is: the furthest behind of its tiers."""
    async with parts_in(tmp_path) as parts:
        start = (await parts.tier.changes(None, 9)).position
        for number in range(3):
            await parts.tier.put(entry(f"question {number}", parts.clock))
        end = (await parts.tier.changes(start, 9)).position
        held = {"session": 2.0, "vector": 3.0}
        parts.condition = Condition((end, start), held, {"shared": None, "embed": "late"})
        one = parts.announcer()
        parts.tasks.run("announce", one.keep_announcing())
        one.appear(None)
        await until(lambda: one.stats() == {"present": 1}, "the first word")
        [told] = await one.present()
        one.configured("another")

        async def is_told() -> bool:
            return (await one.present())[0].config_digest == "another"

        await until_async(is_told, "the other configuration")

        assert told.position_lag == 3
        assert (told.entries, told.parts) == (held, {"shared": "ok", "embed": "late"})


async def test_a_farewell_is_the_last_word(tmp_path: Path) -> None:
    """Nothing that was just being said comes after it."""
    async with parts_in(tmp_path) as parts:
        one = parts.announcer(every_s=0.001)
        parts.tasks.run("announce", one.keep_announcing())
        one.appear(None)
        await until(lambda: bool(one.stats()), "the first word")
        await one.withdraw()
        gone = await parts.ids()
        await asyncio.sleep(0.02)

        assert (gone, await parts.ids()) == ([], [])


async def test_a_broken_tier_is_told_once(tmp_path: Path) -> None:
    """One event until it works again, whatever the number of tries; and then it goes on."""
    async with parts_in(tmp_path) as parts:
        one = parts.announcer()
        parts.tasks.run("announce", one.keep_announcing())
        one.appear(None)
        await until(lambda: bool(one.stats()), "the first word")
        for times in (1, 2):
            await parts.tier.close()
            await until(lambda: not one.stats(), "the failure")
            await asyncio.sleep(0.05)
            assert parts.heard.names == ["presence_failed"] * times
            await parts.tier.start()
            await until(lambda: bool(one.stats()), "the recovery")
