"""Two judges as one verifier."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from proxy.core.judgement.opinion import EVERYTHING, GreyZone, Opinion
from proxy.errors import TierError
from proxy.ports import Verifier
from proxy.resilience import Stage, Tasks
from proxy.verifying.cascade import Cascade
from proxy.verifying.second import SecondJudge, Terms
from tests.support.ports import Heard

ZONE = GreyZone(0.2, 0.9)


class Known:
    """A verifier whose probabilities are the candidates' texts."""

    id = "known"

    def __init__(self) -> None:
        self.fails = False
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")

    async def close(self) -> None:
        self.calls.append("close")

    async def verify(self, _: str, candidates: Sequence[str]) -> Sequence[float]:
        if self.fails:
            raise TierError("broken")
        return [float(candidate) for candidate in candidates]


class Scripted:
    """A judge that gives its opinions in turn."""

    id = "scripted"

    def __init__(self, *opinions: Opinion) -> None:
        self.opinions = list(opinions)
        self.asked: list[str] = []

    async def close(self) -> None:
        """Nothing is held."""

    async def ask(self, _: str, candidate: str) -> Opinion:
        self.asked.append(candidate)
        found = self.opinions.pop(0)
        if found is Opinion.UNANSWERED:
            raise TierError("broken")
        return found


@asynccontextmanager
async def cascade(
    judge: Scripted, first: Verifier | None, zone: GreyZone = ZONE, calls: int = 100
) -> AsyncIterator[Cascade]:
    async def probe() -> None:
        """It is always well."""

    observer = Heard()
    tasks = Tasks(observer)
    stage = Stage("judge", probe, tasks=tasks, observer=observer, retry_s=60)
    second = SecondJudge(
        judge, stage, Terms(calls, 5, 5, 100), tasks=tasks, observer=observer, clock=lambda: 0.0
    )
    yield Cascade(first, second, zone)
    await tasks.close()


async def test_only_the_doubtful_are_asked_about() -> None:
    """What the verifier is sure of costs no call, and keeps its probability."""
    judge = Scripted(Opinion.SAME, Opinion.DIFFERENT)
    async with cascade(judge, Known()) as both:
        assert await both.verify("q", ["0.1", "0.5", "0.6", "0.95"]) == [0.1, 1.0, 0.0, 0.95]
    assert judge.asked == ["0.5", "0.6"]


async def test_every_pair_is_asked_about() -> None:
    """A judge of everything has the last word on what the verifier was sure of too."""
    judge = Scripted(Opinion.SAME, Opinion.DIFFERENT)
    async with cascade(judge, Known(), EVERYTHING) as both:
        assert await both.verify("q", ["0.1", "0.99"]) == [1.0, 0.0]


async def test_a_silent_judge_decides_nothing() -> None:
    """Asked and silent: neither this candidate nor one after it is vouched for."""
    judge = Scripted(Opinion.UNANSWERED)
    async with cascade(judge, Known()) as both:
        assert await both.verify("q", ["0.1", "0.89", "0.95"]) == [0.1]


async def test_an_unasked_judge_leaves_the_verifier() -> None:
    """With the budget spent the verifier's own word holds."""
    judge = Scripted(Opinion.DIFFERENT)
    async with cascade(judge, Known(), calls=1) as both:
        assert await both.verify("q", ["0.5", "0.6", "0.7"]) == [0.0, 0.6, 0.7]
    assert judge.asked == ["0.5"]


async def test_a_judge_alone() -> None:
    """Without a verifier it is asked about every pair, and unasked nobody decides."""
    judge = Scripted(Opinion.SAME, Opinion.DIFFERENT)
    async with cascade(judge, None, calls=2) as both:
        await both.start()
        assert await both.verify("q", ["a", "b", "c"]) == [1.0, 0.0]
        await both.close()
        assert both.id == "scripted"


async def test_a_broken_verifier_is_the_tiers_fault() -> None:
    """Where the first cannot read a pair, the second is not asked in its place."""
    first, judge = Known(), Scripted()
    first.fails = True
    async with cascade(judge, first) as both:
        with pytest.raises(TierError, match="broken"):
            await both.verify("q", ["0.5"])
    assert judge.asked == []


async def test_it_stands_for_the_verifier() -> None:
    """Its start and end are the verifier's, and its name holds both."""
    first = Known()
    async with cascade(Scripted(), first) as both:
        await both.start()
        await both.close()
        assert both.id == "known+scripted"
    assert first.calls == ["start", "close"]
