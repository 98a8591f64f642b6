"""The memory before a verifier, with one of the test's own behind it."""

import asyncio

import pytest

from proxy.errors import TierError
from proxy.verifying.memo import MemoVerifier
from tests.support.ports import FixedVerifier


@pytest.fixture
def inner() -> FixedVerifier:
    return FixedVerifier(a=0.1, b=0.2, c=0.3)


@pytest.fixture
def memo(inner: FixedVerifier) -> MemoVerifier:
    return MemoVerifier(inner, 2)


async def test_a_pair_that_comes_again_is_not_read_again(
    memo: MemoVerifier, inner: FixedVerifier
) -> None:
    """Each candidate has its own probability, in order, new or remembered."""
    first = await memo.verify("q", ["a"])
    second = await memo.verify("q", ["b", "a"])

    assert (first, second) == ([0.1], [0.2, 0.1])
    assert inner.asked == [("q", "a"), ("q", "b")]
    assert memo.id == inner.id
    assert await memo.verify("q", []) == []


async def test_a_pair_is_the_two_texts_in_order(memo: MemoVerifier, inner: FixedVerifier) -> None:
    """The same candidate for another question is another pair."""
    await memo.verify("q", ["a"])
    await memo.verify("other", ["a"])

    assert inner.asked == [("q", "a"), ("other", "a")]


async def test_a_crowd_is_one_run(memo: MemoVerifier, inner: FixedVerifier) -> None:
    """Everybody asks a popular rewording at once: it is read once."""
    inner.gate.clear()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(memo.verify("q", ["a"])) for _ in range(50)]
        await asyncio.sleep(0)
        inner.gate.set()

    assert [task.result() for task in asking] == [[0.1]] * 50
    assert inner.asked == [("q", "a")]


async def test_a_fault_is_not_remembered(memo: MemoVerifier, inner: FixedVerifier) -> None:
    """The next asking is a new chance."""
    inner.fails = True
    with pytest.raises(TierError, match="down"):
        await memo.verify("q", ["a"])
    inner.fails = False

    assert await memo.verify("q", ["a"]) == [0.1]


async def test_the_oldest_is_forgotten(memo: MemoVerifier, inner: FixedVerifier) -> None:
    """Memory is bounded."""
    for candidate in "abca":
        await memo.verify("q", [candidate])

    assert [candidate for _, candidate in inner.asked] == ["a", "b", "c", "a"]
    assert memo.stats()["entries"] == 2


async def test_start_and_close_are_the_verifiers(memo: MemoVerifier, inner: FixedVerifier) -> None:
    """A remembered pair proves nothing: each start asks the verifier; closing forgets."""
    await memo.start()
    await memo.verify("q", ["a"])
    await memo.close()

    assert inner.calls == ["start", "close"]
    assert memo.stats()["entries"] == 0
