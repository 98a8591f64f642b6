"""Threads of a part's own, for what would block the event loop."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from threading import Event, get_ident

import pytest

from proxy.errors import BusyError
from proxy.threads import ClosedError, Patience, Threads


@pytest.fixture
async def one() -> AsyncIterator[Threads]:
    threads = Threads("test")
    yield threads
    await threads.close()


async def test_work_is_done_elsewhere_and_its_answer_comes_back(one: Threads) -> None:
    """Another thread runs it, with the arguments given."""
    where, answer = await one.run(lambda number: (get_ident(), number + 1), 1)

    assert where != get_ident()
    assert answer == 2


async def test_what_it_raises_is_raised_to_who_asked(one: Threads) -> None:
    """An error is its asker's, and the thread goes on."""
    with pytest.raises(ZeroDivisionError):
        await one.run(lambda: 1 / 0)

    assert await one.run(lambda: "well") == "well"


async def test_one_thread_keeps_the_order(one: Threads) -> None:
    """What was asked first is done first."""
    done: list[int] = []

    await asyncio.gather(*(one.run(done.append, number) for number in range(50)))

    assert done == list(range(50))


async def test_what_is_given_up_in_the_queue_is_not_done(one: Threads) -> None:
    """A cancelled call that no thread has begun costs nothing."""
    goes_on = Event()
    done: list[int] = []
    first = one.run(goes_on.wait, 10)
    second = one.run(done.append, 1)
    second.cancel()
    goes_on.set()

    assert await first
    await one.run(lambda: None)
    assert not done


async def test_what_is_given_up_at_work_ends_unheard(one: Threads) -> None:
    """A cancelled call that has begun is finished, and disturbs nobody."""
    begun, goes_on = Event(), Event()

    def work() -> None:
        begun.set()
        goes_on.wait(10)

    call = one.run(work)
    await asyncio.to_thread(begun.wait, 10)
    call.cancel()
    goes_on.set()

    assert await one.run(lambda: "next") == "next"
    assert call.cancelled()


async def test_several_threads_work_at_once() -> None:
    """Two threads: the one can wait for the other. Each has prepared itself."""
    prepared: list[str] = []
    two = Threads("pair", 2, lambda: prepared.append(threading.current_thread().name))
    meet = threading.Barrier(2)

    await asyncio.gather(two.run(meet.wait, 10), two.run(meet.wait, 10))
    await two.close()

    assert sorted(prepared) == ["pair_0", "pair_1"]


async def test_what_would_wait_too_long_is_refused() -> None:
    """It is not begun at all, and what was asked before is done; whoever comes later is served."""
    patience = Patience(0)
    threads = Threads("patient", patience=patience)
    goes_on = Event()
    for _ in range(2):  # so that it is known what work takes: the first says nothing
        await threads.run(time.sleep, 0.001)
    first = threads.run(goes_on.wait, 10)
    with pytest.raises(BusyError):
        await threads.run(goes_on.wait, 10)
    patience.seconds = 60
    second = threads.run(goes_on.wait, 10)
    patience.seconds = 0
    goes_on.set()

    assert all(await asyncio.gather(first, second))
    assert await threads.run(lambda: "served") == "served"
    await threads.close()


async def test_large_work_is_waited_for_longer() -> None:
    """How much waits is told by its size; what is given up is not waited for."""
    threads = Threads("patient", patience=Patience(60))
    goes_on = Event()
    for _ in range(2):
        await threads.run(time.sleep, 0.001)
    small = threads.run(goes_on.wait, 10)
    large = threads.run(goes_on.wait, 10, size=1_000_000_000)
    with pytest.raises(BusyError):
        await threads.run(goes_on.wait, 10)
    large.cancel()
    await asyncio.wait([large])
    another = threads.run(goes_on.wait, 10)
    goes_on.set()

    assert await small
    assert await another
    await threads.close()


async def test_close_does_what_waits_and_then_takes_no_more() -> None:
    """Nothing asked for is lost, no thread is left, and later callers hear of it."""
    threads = Threads("closing")
    done: list[int] = []
    calls = asyncio.gather(*(threads.run(done.append, number) for number in range(5)))

    await threads.close()
    await threads.close()
    await calls

    assert done == list(range(5))
    assert not [one for one in threading.enumerate() if one.name.startswith("closing")]
    with pytest.raises(ClosedError):
        await threads.run(done.append, 5)


async def test_close_may_drop_what_waits() -> None:
    """What has begun ends; who waits for the rest finds it cancelled."""
    threads = Threads("dropping")
    begun, goes_on = Event(), Event()

    def work() -> str:
        begun.set()
        goes_on.wait(10)
        return "done"

    first, second = threads.run(work), threads.run(work)
    await asyncio.to_thread(begun.wait, 10)
    async with asyncio.TaskGroup() as group:
        group.create_task(threads.close(drop=True))
        await asyncio.wait([second])
        goes_on.set()

    assert await first == "done"
    assert second.cancelled()


def test_a_program_that_forgets_to_close_ends_all_the_same() -> None:
    """At exit work under way is finished first, and nothing hangs."""
    program = (
        "import asyncio, time\n"
        "from proxy.threads import Threads\n"
        "async def main():\n"
        "    threads = Threads('forgotten')\n"
        "    threads.run(lambda: (time.sleep(0.2), print('finished')))\n"
        "    return threads\n"
        "threads = asyncio.run(main())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )

    assert ran.stdout == "finished\n"
    assert ran.stderr == ""
