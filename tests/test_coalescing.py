"""Replicas take turns in asking the origin, whatever becomes of the one who asks."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from proxy.coalescing import Turns
from proxy.core.coalescing import Answered, Ask, Turn, call_key
from proxy.core.model import Answer, CacheRequest, Entry, Usage
from proxy.resilience import Stage, Tasks
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitepresence import SqlitePresence
from proxy.tiers.sqlitewaiting import COMING_S, SqliteLeases, SqliteLogWatch
from tests.core.builders import entry, request
from tests.support.ports import Heard
from tests.support.waiting import until, until_async
from tests.tiers.test_presence import REPLICA

REQUEST = request()
KEY = call_key(REQUEST, "me")
ANSWER = Answer(b'{"choices": []}', usage=Usage(1, 2))


def answer() -> Entry:
    """To the request, made now."""
    return entry(time.time(), answer=ANSWER)


class Replica:
    """A process's turns, over a file that the others have open too."""

    def __init__(self, path: Path, *, silent_s: float = inf) -> None:
        self.heard = Heard()
        self.tasks = Tasks(self.heard)
        self.tier = SqliteTier(path, clock=time.time, on_event=self.heard.event)
        self.watch = SqliteLogWatch(self.tier, silent_s=silent_s)
        self.leases = SqliteLeases(self.tier, clock=time.time, watch=self.watch)
        self.stage = Stage("shared", self.tier.start, tasks=self.tasks, observer=self.heard)
        self.turns = self.taking()

    def taking(self, *, wait_s: float = 20.0, lease_s: float = 0.3) -> Turns:
        return Turns(
            self.leases,
            (self.tier, self.stage),
            tasks=self.tasks,
            clock=time.time,
            deadline_s=5,
            wait_s=wait_s,
            lease_s=lease_s,
            look_s=20,
        )

    async def take(self, request: CacheRequest = REQUEST) -> Turn:
        """A turn, given back at once."""
        async with self.turns.taken(request, "me") as turn:
            return turn

    async def hold(self, goes_on: asyncio.Event, turns: Turns | None = None) -> Turn:
        """A turn, given back when the test says so."""
        async with (turns or self.turns).taken(REQUEST, "me") as turn:
            await goes_on.wait()
            return turn

    async def look(self) -> None:
        """Follow the file, as a process does that serves."""
        while True:
            await self.watch.wait(600)

    async def close(self) -> None:
        await self.tasks.close()
        await self.tier.close()


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[list[Replica]]:
    made = [Replica(tmp_path / "x.db") for _ in range(4)]
    for one in made:
        await one.stage.start()
    yield made
    for one in made:
        await one.close()


async def holder(file: Replica) -> int:
    """The token of who has the lease; 0 when nobody has."""
    found = (await file.tier.ask(lambda file: file.leases.standing([KEY]))).get(KEY)
    return found.token if found is not None and found.until > time.time() else 0


async def replaced(file: Replica, token: int) -> None:
    """Wait until another has taken that holder's place."""

    async def is_replaced() -> bool:
        return await holder(file) not in {0, token}

    await until_async(is_replaced, "another's taking the lease")


async def test_one_asks_and_the_others_have_his_answer(replicas: list[Replica]) -> None:
    """As soon as it is stored and the lease is given back."""
    first, *others = replicas
    async with asyncio.TaskGroup() as group, first.turns.taken(REQUEST, "me") as turn:
        assert isinstance(turn, Ask)
        waiting = [group.create_task(other.take()) for other in others]
        await until(lambda: all(KEY in other.leases._awaited for other in others))
        made = answer()
        assert await first.tier.put(made, turn.lease)
        assert not any(task.done() for task in waiting)
    turns = [task.result() for task in waiting]

    assert [turn.entry for turn in turns if isinstance(turn, Answered)] == [made] * 3


async def test_a_lookup_that_just_missed_the_answer(replicas: list[Replica]) -> None:
    """What was stored between the lookup and the turn is found; the lease is not kept for that."""
    made = answer()
    await replicas[0].tier.put(made)
    turn = await replicas[1].take()

    assert isinstance(turn, Answered)
    assert turn.entry == made
    assert not await holder(replicas[1])


async def test_what_may_not_be_kept_is_not_asked_for_one_by_one(replicas: list[Replica]) -> None:
    """Who waited in vain asks at once, beside the others who did."""
    first, *others = replicas
    goes_on = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        async with first.turns.taken(REQUEST, "me"):
            waiting = [group.create_task(other.hold(goes_on)) for other in others]
            await until(lambda: all(KEY in other.leases._awaited for other in others))
        await until(lambda: not any(other.leases._awaited for other in others), "their turns")
        goes_on.set()

    assert [type(task.result()) for task in waiting] == [Ask] * 3


async def test_one_takes_the_place_of_who_gave_up(replicas: list[Replica]) -> None:
    """His callers left, or he failed: one of the others asks, and the rest wait for that one."""
    first, *others = replicas
    goes_on = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        with suppress(ZeroDivisionError):
            async with first.turns.taken(REQUEST, "me"):
                token = await holder(first)
                waiting = [group.create_task(other.hold(goes_on)) for other in others]
                await until(lambda: all(KEY in other.leases._awaited for other in others))
                raise ZeroDivisionError
        await replaced(first, token)
        await others[0].tier.put(answer())
        goes_on.set()
    turns = [task.result() for task in waiting]

    assert sorted(type(turn).__name__ for turn in turns) == ["Answered", "Answered", "Ask"]
    assert all(turn.lease is not None for turn in turns if isinstance(turn, Ask))


async def test_who_leaves_while_the_lease_is_being_taken_keeps_it_from_nobody(
    replicas: list[Replica], tmp_path: Path
) -> None:
    """It may be taken all the same, and is then given up at once."""
    first, second, *_ = replicas
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        leaving = first.tasks.start(
            "leaving", first.hold(asyncio.Event(), first.taking(lease_s=60))
        )
        under_way = first.tasks._tasks
        await until(
            lambda: any(task.get_name() == "claim lease" for task in under_way),
            "the lease's being taken",
        )
        leaving.cancel()
        await asyncio.wait([leaving])
        busy.execute("COMMIT")
    await first.tier.ask(lambda _: None)  # after it on the file's thread: it is taken
    turn = await second.take()

    assert isinstance(turn, Ask)
    assert turn.lease is not None


async def test_one_takes_the_place_of_who_died(replicas: list[Replica]) -> None:
    """Once his lease has lapsed; and what he may yet store is refused."""
    dead, *others = replicas
    lease = await dead.leases.take(KEY, 0.2)
    assert lease is not None
    goes_on = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(other.hold(goes_on)) for other in others]
        await replaced(dead, lease.token)
        assert not await dead.tier.put(answer(), lease)
        await others[0].tier.put(answer())
        goes_on.set()
    turns = [task.result() for task in waiting]

    assert sorted(type(turn).__name__ for turn in turns) == ["Answered", "Answered", "Ask"]


async def test_the_lease_outlives_a_long_call(replicas: list[Replica]) -> None:
    """It is renewed for as long as the origin takes."""
    first, other, *_ = replicas
    async with first.turns.taken(REQUEST, "me") as turn:
        assert isinstance(turn, Ask)
        await asyncio.sleep(0.7)  # twice as long as a lease
        assert await other.leases.take(KEY, 1) is None
        assert await first.tier.put(answer(), turn.lease)
    assert not await holder(other)


async def test_who_has_waited_long_enough_asks(replicas: list[Replica]) -> None:
    """Without a lease: it is somebody else's."""
    first, other, *_ = replicas
    async with (
        first.turns.taken(REQUEST, "me"),
        other.taking(wait_s=0.05).taken(REQUEST, "me") as turn,
    ):
        assert turn == Ask()
        assert await holder(other)


async def test_who_takes_no_turns_asks_at_once(replicas: list[Replica]) -> None:
    """Where so configured, nobody is waited for and nothing is leased."""
    assert not replicas[0].taking(wait_s=0).are_taken(REQUEST.directives)


async def test_who_is_alone_takes_no_turns(tmp_path: Path) -> None:
    """Of a file that no other process uses nothing is leased, and again once the other has gone.

    Another is known as soon as it has opened the file, long before it can ask the origin.
    """
    first = Replica(tmp_path / "x.db", silent_s=0.2)
    await first.stage.start()
    asked = REQUEST.directives
    assert first.turns.are_taken(asked)
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(first.look())
        await until(lambda: not first.turns.are_taken(asked), "being alone")
        other = Replica(tmp_path / "x.db")
        await other.stage.start()
        await until(lambda: first.turns.are_taken(asked), "company")
        await other.close()
        await until(lambda: not first.turns.are_taken(asked), "being alone again")
        looking.cancel()
    await first.close()


async def test_who_comes_while_another_starts_is_known(tmp_path: Path) -> None:
    """What has been written since the file was opened is seen, however late the first look is."""
    first, second = Replica(tmp_path / "x.db", silent_s=600), Replica(tmp_path / "x.db")
    await first.stage.start()
    await second.stage.start()
    assert await first.watch.wait(COMING_S)  # it has seen the file
    assert not await first.watch.wait(COMING_S)

    assert first.turns.are_taken(REQUEST.directives)
    for one in (first, second):
        await one.close()


async def test_who_joins_others_takes_turns_from_the_start(tmp_path: Path) -> None:
    """Though none of them has anything to say just then: they have said that they are there."""
    first, second = Replica(tmp_path / "x.db"), Replica(tmp_path / "x.db", silent_s=600)
    await first.stage.start()
    presence = SqlitePresence(first.tier, clock=time.time)
    await presence.announce(REPLICA, 600)
    await second.stage.start()
    assert await second.watch.wait(COMING_S)  # it has seen the file
    assert not await second.watch.wait(COMING_S)

    assert second.turns.are_taken(REQUEST.directives)
    for one in (first, second):
        await one.close()


async def test_an_answer_that_is_not_accepted_is_asked_for(replicas: list[Replica]) -> None:
    """The request says how old an answer may be, whoever asked for it."""
    await replicas[0].tier.put(replace(answer(), created_at=time.time() - 10))

    assert isinstance(await replicas[1].take(request(max_age=5)), Ask)


async def test_without_a_shared_tier_everybody_asks_at_once(tmp_path: Path) -> None:
    """A tier that cannot be opened costs no answer, and no more than one word with it."""
    (tmp_path / "x.db").mkdir()
    alone = Replica(tmp_path / "x.db")
    await alone.stage.start()
    turn = await alone.take()
    await alone.close()

    assert turn == Ask()


async def test_a_shared_tier_that_goes_away_meanwhile(replicas: list[Replica]) -> None:
    """Who waits for an answer through it asks."""
    first, other, *_ = replicas
    async with asyncio.TaskGroup() as group, first.turns.taken(REQUEST, "me"):
        waiting = group.create_task(other.take())
        await until(lambda: KEY in other.leases._awaited)
        await other.tier.close()

    assert waiting.result() == Ask()


async def test_turns_of_two_keys_never_meet(replicas: list[Replica]) -> None:
    """Another question, or another's credential, is asked beside this one."""
    first, other, *_ = replicas
    async with first.turns.taken(REQUEST, "me"):
        elsewhere = replace(REQUEST, key="another")
        async with other.turns.taken(elsewhere, "me") as turn:
            assert isinstance(turn, Ask)
            assert turn.lease is not None
        async with other.turns.taken(REQUEST, "another") as turn:
            assert isinstance(turn, Ask)
            assert turn.lease is not None
