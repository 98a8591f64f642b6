"""A part's fault or lateness ends at its stage: it costs a hit, never a request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from proxy.errors import BusyError, TierError
from proxy.resilience import Deadline, Pace, Stage, Tasks
from tests.support.ports import Heard
from tests.support.waiting import until


class Part:
    """A part that is well or not, as the test says."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.hangs = False
        self.slow_s = 0.0
        self.asked = 0
        self.probed = 0

    async def probe(self) -> None:
        self.probed += 1
        await self._do()

    async def ask(self) -> str:
        self.asked += 1
        await self._do()
        return "answer"

    async def check(self) -> None:
        await asyncio.sleep(self.slow_s)

    async def _do(self) -> None:
        await asyncio.sleep(self.slow_s)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def tasks(heard: Heard) -> AsyncIterator[Tasks]:
    owner = Tasks(heard)
    yield owner
    await owner.close()


@pytest.fixture
def part() -> Part:
    return Part()


@pytest.fixture
def stage(part: Part, tasks: Tasks, heard: Heard) -> Stage:
    return made(part, tasks, heard)


def made(part: Part, tasks: Tasks, heard: Heard, **more: Any) -> Stage:
    options = {"retry_s": 0.01, "probe_s": 0.05, **more}
    return Stage("part", part.probe, tasks=tasks, observer=heard, **options)


def paced(part: Part, tasks: Tasks, heard: Heard, within_s: float) -> Stage:
    """One that must answer a check within this time, and a question within half a deadline."""
    return made(part, tasks, heard, probe_s=10.0, pace=Pace(part.check, within_s, 0.5))


async def test_an_answer_passes(stage: Stage, part: Part) -> None:
    """A part that is well is just asked."""
    assert await stage.ask(part.ask, Deadline(10)) == "answer"
    assert stage.trouble is None


@pytest.mark.parametrize("error", [TierError("gone"), RuntimeError("bug"), OSError("disk")])
async def test_a_fault_is_nothing_found(
    stage: Stage, part: Part, heard: Heard, error: Exception
) -> None:
    """Whatever it raises: one event, and requests go past it from now on."""
    part.error = error
    answers = [await stage.ask(part.ask, Deadline(10)) for _ in range(3)]

    assert answers == [None, None, None]
    assert part.asked == 1
    assert stage.trouble
    assert heard.names[:2] == ["stage_failed", "breaker_opened"]


async def test_a_part_that_is_busy_is_well(tasks: Tasks, part: Part, heard: Heard) -> None:
    """Requests go on without it, which is told once in a while, and the next one asks it again."""
    stage = made(part, tasks, heard, retry_s=60)
    part.error = BusyError("busy")
    refused = [await stage.ask(part.ask, Deadline(10)) for _ in range(3)]
    part.error = None

    assert refused == [None, None, None]
    assert await stage.ask(part.ask, Deadline(10)) == "answer"
    assert part.asked == 4
    assert heard.events == [("stage_busy", {"stage": "part"})]


async def test_it_comes_back_by_itself(stage: Stage, part: Part, heard: Heard) -> None:
    """A probe in the background closes the breaker; no request is spent on finding out."""
    part.error = TierError("gone")
    await stage.ask(part.ask, Deadline(10))
    await until(lambda: part.probed >= 3, "some probes")
    assert stage.trouble == "gone"
    part.error = None
    await until(lambda: stage.trouble is None, "its return")

    assert part.asked == 1
    assert heard.names.count("breaker_opened") == 1
    assert heard.names[-1] == "breaker_closed"
    assert await stage.ask(part.ask, Deadline(10)) == "answer"


async def test_it_can_fail_again(stage: Stage, part: Part, heard: Heard) -> None:
    """Each time it is probed anew."""
    for _ in range(3):
        part.error = TierError("gone")
        assert await stage.ask(part.ask, Deadline(10)) is None
        part.error = None
        await until(lambda: stage.trouble is None, "its return")

    assert heard.names.count("breaker_opened") == 3


@pytest.mark.parametrize("error", [RuntimeError("bug"), OSError("disk"), ValueError("odd")])
async def test_a_probe_that_raises_anything_is_a_failed_probe(
    tasks: Tasks, part: Part, heard: Heard, error: Exception
) -> None:
    """Not even a bug in it may stop the program at its start, or the probing for ever."""
    stage = made(part, tasks, heard)
    part.error = error
    await stage.start()
    assert stage.trouble
    await until(lambda: part.probed >= 3, "further probes")
    part.error = None
    await until(lambda: stage.trouble is None, "its return")


async def test_a_part_that_hangs_is_late(stage: Stage, part: Part, heard: Heard) -> None:
    """It is waited for until the deadline, once."""
    part.hangs = True
    first = await stage.ask(part.ask, Deadline(0.02))
    second = await stage.ask(part.ask, Deadline(10))

    assert (first, second, part.asked) == (None, None, 1)
    assert stage.trouble == "late"
    assert heard.events[0] == ("stage_failed", {"stage": "part", "reason": "late"})


async def test_a_probe_that_hangs_is_late(stage: Stage, part: Part) -> None:
    """At the start too: the program does not wait for it for ever."""
    part.hangs = True
    await stage.start()

    assert stage.trouble == "late"


async def test_who_comes_last_is_not_to_blame(tasks: Tasks, part: Part, heard: Heard) -> None:
    """When others have used the deadline up, being late opens no breaker."""
    stage = made(part, tasks, heard)
    part.hangs = True
    deadline = Deadline(0.1)
    await until(lambda: not deadline.is_fair)
    answer = await stage.ask(part.ask, deadline)

    assert answer is None
    assert stage.trouble is None
    assert heard.names == ["stage_failed"]


async def test_nothing_is_asked_without_time(stage: Stage, part: Part) -> None:
    """A deadline that is over asks nobody, and blames nobody."""
    assert await stage.ask(part.ask, Deadline(0)) is None
    assert (part.asked, stage.trouble) == (0, None)


async def test_some_faults_may_be_allowed(tasks: Tasks, part: Part, heard: Heard) -> None:
    """Only so many in a row open the breaker."""
    stage = made(part, tasks, heard, faults=2, retry_s=60)

    async def ask(error: Exception | None) -> None:
        part.error = error
        await stage.ask(part.ask, Deadline(10))

    for error in (TierError("a"), None, TierError("b")):
        await ask(error)
    assert stage.trouble is None
    await ask(TierError("c"))
    assert stage.trouble == "c"


async def test_concurrent_faults_open_it_once(stage: Stage, part: Part, heard: Heard) -> None:
    """Many requests that fail together make one opening and one prober."""
    part.error = TierError("gone")
    gate = asyncio.Event()

    async def ask() -> str:
        await gate.wait()
        return await part.ask()

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(stage.ask(ask, Deadline(10)))
        await asyncio.sleep(0)
        gate.set()

    assert heard.names.count("breaker_opened") == 1


async def test_an_answer_on_its_way_closes_nothing(stage: Stage, part: Part) -> None:
    """Only a probe does: what began before the fault says nothing of the part now."""
    gate = asyncio.Event()

    async def early() -> str:
        await gate.wait()
        return "answer"

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(stage.ask(early, Deadline(10)))
        await asyncio.sleep(0)
        part.error = TierError("gone")
        await stage.ask(part.ask, Deadline(10))
        gate.set()

    assert (asking.result(), stage.trouble) == ("answer", "gone")


async def test_a_part_that_is_slow(tasks: Tasks, part: Part, heard: Heard) -> None:
    """It is gone past although its probes succeed, until it answers soon enough."""
    stage = paced(part, tasks, heard, within_s=0.01)
    part.slow_s = 0.05
    assert await stage.ask(part.ask, Deadline(0.06)) is None
    await until(lambda: stage.is_up, "a good probe")
    assert (stage.trouble or "").startswith("slow: ")
    assert part.asked == 1
    part.slow_s = 0.0
    await until(lambda: stage.trouble is None, "its return")

    assert await stage.ask(part.ask, Deadline(10)) == "answer"


async def test_a_part_that_is_slow_from_the_start(tasks: Tasks, part: Part, heard: Heard) -> None:
    """No request finds that out."""
    stage = paced(part, tasks, heard, within_s=0.001)
    part.slow_s = 0.01
    await stage.start()

    assert await stage.ask(part.ask, Deadline(10)) is None
    assert (part.asked, stage.is_up) == (0, True)


async def test_late_whenever_it_is_used(tasks: Tasks, part: Part, heard: Heard) -> None:
    """Well when probed, late when asked: each time it must prove itself for longer."""
    stage = made(part, tasks, heard)
    probes = []
    for _ in range(3):
        before, part.hangs = part.probed, True
        await stage.ask(part.ask, Deadline(0.01))
        part.hangs = False
        await until(lambda: stage.trouble is None, "its return")
        probes.append(part.probed - before)

    assert probes == [1, 2, 4]


async def test_a_write_that_is_refused(stage: Stage, heard: Heard) -> None:
    """Reads go on, and what is wrong is said, once, until a write is taken."""

    async def answer() -> str:
        return "answer"

    async def refuse() -> str:
        raise TierError("full")

    for _ in range(3):
        assert await stage.tell(refuse, Deadline(10)) is None
    await until(lambda: bool(heard.events), "the event")
    assert (stage.trouble, stage.status) == (None, "refuses writes: full")
    assert await stage.ask(answer, Deadline(10)) == "answer"
    assert await stage.tell(answer, Deadline(10)) == "answer"

    assert stage.status is None
    assert heard.events == [("writes_refused", {"stage": "part", "reason": "full"})]


async def test_a_write_finds_the_part_gone(stage: Stage, part: Part, heard: Heard) -> None:
    """It is probed, so that no request need find out."""
    part.error = TierError("gone")
    assert await stage.tell(part.ask, Deadline(10)) is None
    await until(lambda: stage.trouble is not None, "the breaker")

    assert await stage.tell(part.ask, Deadline(10)) is None
    assert (part.asked, heard.names) == (1, ["breaker_opened"])


async def test_a_slow_part_is_written_to(tasks: Tasks, part: Part, heard: Heard) -> None:
    """Nobody waits for a write."""
    stage = paced(part, tasks, heard, within_s=0.001)
    part.slow_s = 0.01
    await stage.start()

    assert await stage.tell(part.ask, Deadline(10)) == "answer"
    assert stage.trouble is not None


async def test_who_waits_for_its_return_is_woken(stage: Stage, part: Part) -> None:
    """At once, not after some interval of his own."""
    part.error = TierError("gone")
    await stage.ask(part.ask, Deadline(10))
    assert not await stage.gets_better(0.001)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(stage.gets_better(60)) for _ in range(3)]
        await asyncio.sleep(0)
        part.error = None

    assert [task.result() for task in waiting] == [True] * 3


async def test_a_caller_who_leaves_is_no_fault(stage: Stage, part: Part) -> None:
    """A cancellation passes through, and says nothing about the part."""
    part.hangs = True
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(stage.ask(part.ask, Deadline(10)))
        await until(lambda: part.asked == 1)
        asking.cancel()

    assert asking.cancelled()
    assert stage.trouble is None


async def test_a_crash_of_a_task_is_an_event(tasks: Tasks, heard: Heard) -> None:
    """No error is lost, and its text, which may quote a prompt, is not told."""

    async def crash() -> None:
        raise RuntimeError("secret words")

    tasks.run("crashing", crash())
    await until(lambda: bool(heard.events))

    assert heard.events[0][0] == "task_failed"
    assert heard.events[0][1]["task"] == "crashing"
    assert "secret words" not in str(heard.events)


async def test_what_shall_go_on_is_begun_anew(tasks: Tasks, heard: Heard) -> None:
    """A defect costs work in the background one round, and never ends it for good."""
    begun: list[int] = []

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) == 1:
            raise RuntimeError("secret words")
        await asyncio.Event().wait()

    tasks.keep("kept", work)
    await until(lambda: len(begun) == 2, "another beginning")

    assert [(name, fields["task"]) for name, fields in heard.events] == [("task_failed", "kept")]
    assert "secret words" not in str(heard.events)


async def test_closing_ends_every_task(heard: Heard) -> None:
    """Also one that takes its time to end, or starts another while it does."""
    tasks = Tasks(heard)
    ended: list[str] = []

    async def work(name: str, after: Callable[[], Awaitable[None]] | None = None) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if after is not None:
                await after()
            ended.append(name)

    async def slowly() -> None:
        await asyncio.sleep(0.01)

    tasks.run("a", work("a"))
    tasks.run("b", work("b", slowly))
    await asyncio.sleep(0)
    await tasks.close()

    assert sorted(ended) == ["a", "b"]
    assert heard.events == []


async def test_a_task_that_missed_its_end(heard: Heard) -> None:
    """It is told again: a library that swallows one cancellation holds nobody's exit up."""
    tasks = Tasks(heard)
    missed = 0

    async def deaf() -> None:
        nonlocal missed
        while missed < 1:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                missed += 1
        await asyncio.sleep(60)

    tasks.run("deaf", deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await tasks.close()

    assert missed == 1


def test_a_deadline_runs_down() -> None:
    """It is never negative, and fair while half of it is left."""
    assert 0 < Deadline(10).remaining <= 10
    assert Deadline(10).is_fair
    assert Deadline(-1).remaining == 0
