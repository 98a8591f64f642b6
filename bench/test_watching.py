"""What it costs a request that operators may watch."""

import time

from pytest_benchmark.fixture import BenchmarkFixture

from proxy.core.model import Judged, Outcome, Result, Tier, Usage
from proxy.telemetry.following import Mailbox
from proxy.telemetry.history import points
from proxy.telemetry.watching import Watch

HIT = Outcome(
    request_id="r",
    result=Result.HIT,
    api="chat.completions",
    model="gpt-4o",
    tier=Tier.VECTOR,
    similarity=0.98,
    probability=0.99,
    judged=Judged.ACCEPTED,
    saved=Usage(10, 20),
    saved_usd=0.001,
    timings={"total": 0.01},
)


def test_remembering_a_request(benchmark: BenchmarkFixture) -> None:
    """Every request pays this where the admin API is switched on."""
    watch = Watch(clock=time.time)
    benchmark(watch.notice, HIT)
    assert watch.decisions.report().looked > 0  # noqa: S101 - a benchmark is a test too


async def test_telling_a_reader(benchmark: BenchmarkFixture) -> None:
    """The same, with somebody who follows and has too much waiting."""
    watch, mailbox = Watch(clock=time.time), Mailbox(str)
    with watch.following.heard_by(lambda one: mailbox.put(one.__class__.__name__)):
        benchmark(watch.notice, HIT)
    assert await mailbox.take(1)  # noqa: S101 - the same


def test_a_day_of_history(benchmark: BenchmarkFixture) -> None:
    """What a reader pays for a chart of a busy day."""
    now = [0.0]
    watch = Watch(clock=lambda: now[0])
    for second in range(0, 86_400, 5):
        now[0] = float(second)
        watch.notice(HIT)
    told = benchmark(lambda: points(watch.history.steps(1440, now[0]), 1440, now[0]))
    assert len(told) == 1440  # noqa: PLR2004, S101 - the same
