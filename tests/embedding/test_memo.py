"""The memory before an embedder, with a scripted embedder behind it."""

import asyncio
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.model import Vector
from proxy.embedding.memo import MemoEmbedder
from proxy.errors import TierError


class Scripted:
    """An embedder that counts, waits at a gate, and fails or knows nothing when told to."""

    id = "scripted-1"
    dimension = 2

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")

    async def close(self) -> None:
        self.calls.append("close")

    async def embed(self, text: str) -> Vector | None:
        self.asked[text] += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return np.array([len(text), 1], np.float32) if text.strip() else None


@pytest.fixture
def inner() -> Scripted:
    return Scripted()


@pytest.fixture
def memo(inner: Scripted) -> MemoEmbedder:
    return MemoEmbedder(inner, 2)


async def test_repeat_is_answered_from_memory(memo: MemoEmbedder, inner: Scripted) -> None:
    """The second asking costs the embedder nothing and gives the same vector."""
    first = await memo.embed("a")
    second = await memo.embed("a")

    assert first is second is not None
    assert inner.asked == {"a": 1}
    assert memo.stats() == {"entries": 1, "hits": 1, "misses": 1, "joined": 0}


async def test_no_vector_is_remembered_too(memo: MemoEmbedder, inner: Scripted) -> None:
    """What the model cannot read is not asked twice."""
    assert await memo.embed(" ") is None
    assert await memo.embed(" ") is None
    assert inner.asked == {" ": 1}


async def test_least_recently_used_goes_first(memo: MemoEmbedder, inner: Scripted) -> None:
    """With room for two, the one not asked for lately is forgotten."""
    for text in ("a", "b", "a", "c", "a", "b"):
        await memo.embed(text)

    assert inner.asked == {"a": 1, "b": 2, "c": 1}
    assert memo.stats()["entries"] == 2


async def test_no_room_remembers_nothing(inner: Scripted) -> None:
    """Zero entries switch the memory off."""
    memo = MemoEmbedder(inner, 0)

    await memo.embed("a")
    await memo.embed("a")

    assert inner.asked == {"a": 2}
    assert memo.stats()["entries"] == 0


async def test_fault_is_not_remembered(memo: MemoEmbedder, inner: Scripted) -> None:
    """After a fault the next one asks again, and succeeds."""
    inner.error = TierError("down")
    with pytest.raises(TierError, match="down"):
        await memo.embed("a")
    inner.error = None

    assert await memo.embed("a") is not None


@pytest.mark.parametrize("entries", [0, 2])
async def test_concurrent_equal_texts_are_asked_once(inner: Scripted, entries: int) -> None:
    """Ten at once, one asking, one vector, with and without a memory."""
    memo = MemoEmbedder(inner, entries)
    inner.gate.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(memo.embed("a")) for _ in range(10)]
        await asyncio.sleep(0)
        inner.gate.set()

    assert inner.asked == {"a": 1}
    assert len({id(task.result()) for task in tasks}) == 1
    assert (memo.stats()["misses"], memo.stats()["joined"]) == (1, 9)


async def test_fault_reaches_all_who_wait(memo: MemoEmbedder, inner: Scripted) -> None:
    """Each of those who joined gets the tier's error, whatever class the cause has."""
    inner.gate.clear()
    inner.error = RuntimeError("bug")
    asked = asyncio.gather(*(memo.embed("a") for _ in range(3)), return_exceptions=True)
    await asyncio.sleep(0)
    inner.gate.set()
    first, *others = await asked

    assert isinstance(first, RuntimeError)
    assert [TierError, TierError] == [type(error) for error in others]
    assert inner.asked == {"a": 1}


async def test_cancelled_follower_takes_nobody_along(memo: MemoEmbedder, inner: Scripted) -> None:
    """One who joined gives up; leader and the other follower get their vector."""
    inner.gate.clear()
    async with asyncio.TaskGroup() as group:
        leader, gone, stays = [group.create_task(memo.embed("a")) for _ in range(3)]
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        inner.gate.set()

    assert gone.cancelled()
    assert leader.result() is stays.result() is not None
    assert inner.asked == {"a": 1}


async def test_cancelled_leader_hands_over(memo: MemoEmbedder, inner: Scripted) -> None:
    """The leader gives up; one follower asks again, once, for all that are left."""
    inner.gate.clear()
    async with asyncio.TaskGroup() as group:
        leader, *followers = [group.create_task(memo.embed("a")) for _ in range(4)]
        await asyncio.sleep(0)
        leader.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        inner.gate.set()

    assert leader.cancelled()
    assert len({id(task.result()) for task in followers}) == 1
    assert inner.asked == {"a": 2}


async def test_all_cancelled_leaves_nothing_behind(memo: MemoEmbedder, inner: Scripted) -> None:
    """When nobody waits any more, the next asking starts afresh."""
    inner.gate.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(memo.embed("a")) for _ in range(3)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    inner.gate.set()

    assert all(task.cancelled() for task in tasks)
    assert not memo._memo._flights
    assert await memo.embed("a") is not None


async def test_start_and_close_are_the_embedders(memo: MemoEmbedder, inner: Scripted) -> None:
    """Start goes past the memory; close forgets; the name is the embedder's."""
    await memo.start()
    await memo.embed("a")
    await memo.close()

    assert inner.calls == ["start", "close"]
    assert memo.stats()["entries"] == 0
    assert (memo.id, memo.dimension) == ("scripted-1", 2)


@given(texts=st.lists(st.text(max_size=3)), entries=st.integers(0, 3))
async def test_memory_never_changes_an_answer(texts: list[str], entries: int) -> None:
    """Any texts, lone surrogates among them: the answers are those without a memory, in bounds."""
    plain, memo = Scripted(), MemoEmbedder(Scripted(), entries)
    for text in texts:
        expected, found = await plain.embed(text), await memo.embed(text)

        assert (expected is None) == (found is None)
        assert expected is None or np.array_equal(expected, found)  # type: ignore[arg-type]
        assert memo.stats()["entries"] <= entries
