"""What a process remembers for operators: requests, decisions, steps of time, and who follows."""

import asyncio
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.model import Judged, Outcome, Result, Tier, Usage
from proxy.telemetry import history
from proxy.telemetry.decisions import Decisions, together
from proxy.telemetry.following import Dropped, Following, Happening, Mailbox
from proxy.telemetry.history import GROWTH, History, bucket_of, quantile_ms
from proxy.telemetry.recent import QUESTION_CHARS, Recent, request_told
from proxy.telemetry.watching import Watch

NOW = 1_764_271_230.0
_ids = count()


def outcome(result: Result = Result.MISS, **more: Any) -> Outcome:
    return Outcome(f"req_{next(_ids)}", result, "chat.completions", **more)


def hit(seconds: float, tier: Tier = Tier.SESSION) -> Outcome:
    return outcome(
        Result.HIT, tier=tier, timings={"total": seconds}, saved=Usage(1, 2), saved_usd=0.5
    )


# Recent requests


def test_the_oldest_request_makes_room() -> None:
    """However many there are, so many are remembered, the newest first."""
    recent = Recent(kept=3)
    made = [outcome() for _ in range(5)]
    for at, one in enumerate(made):
        recent.add(NOW + at, one)

    assert [one.outcome for one in recent.page(10)] == made[:1:-1]


def test_requests_of_one_moment_are_told_once_in_pages() -> None:
    """A clock that stands still, or goes back, hides nothing."""
    recent = Recent()
    for at in (NOW, NOW, NOW - 1, NOW):
        recent.add(at, outcome())
    pages, after = [], None
    while page := recent.page(1, after=after):
        pages += page
        after = page[-1].at, page[-1].outcome.request_id

    assert len({one.outcome.request_id for one in pages}) == 4


def test_what_a_caller_makes_long_is_not_remembered_whole() -> None:
    """A list stays short, and memory bounded, whatever was pasted into a question or a name."""
    watch, heard = Watch(clock=lambda: NOW), list[Happening | Dropped]()
    long = "x" * 100_000
    with watch.following.heard_by(heard.append):
        watch.notice(outcome(model=long, question=long, reason=f"name {long} != y"))
        watch.event("stage_failed", reason=long)
    [remembered] = watch.recent.page(1)
    told = request_told(remembered.at, remembered.outcome, with_question=True)

    assert len(told["question"]) == QUESTION_CHARS
    assert max(len(told["model"]), len(told["reason"])) < QUESTION_CHARS
    assert len(str(heard)) < 5 * QUESTION_CHARS


# Decisions


def test_a_decision_on_an_edge_is_in_the_bin_above() -> None:
    """So that a threshold at that edge serves all that is counted from it."""
    decisions = Decisions(NOW)
    for number in range(181, 201):
        decisions.add(NOW, outcome(similarity=number / 200, judged=Judged.ACCEPTED))
    bins = decisions.report().similarity["hits"]

    assert [edge for edge, _ in bins] == pytest.approx([n / 200 for n in range(181, 201)])
    assert {count for _, count in bins} == {1}


def test_exact_repeats_are_no_decisions() -> None:
    """Only where a neighbour was looked at was anything decided."""
    decisions = Decisions(NOW)
    decisions.add(NOW, hit(0.1))

    assert decisions.report().looked == 0


def test_it_says_since_when_all_is_counted() -> None:
    """Since the start, or since the oldest decision that is still remembered."""
    decisions = Decisions(NOW, kept=2)
    since = []
    for number in range(1, 4):
        one = outcome(similarity=0.5, judged=Judged.VETOED, guard="number")
        decisions.add(NOW + number, one)
        since.append(decisions.report().since)

    assert since == [NOW, NOW + 1, NOW + 2]


JUDGED = st.tuples(st.sampled_from(Judged), st.floats(-1, 1), st.none() | st.floats(0, 1))


@given(st.lists(JUDGED, max_size=30), st.integers(0, 30))
def test_workers_together_count_what_one_would(
    made: list[tuple[Judged, float, float | None]], cut: int
) -> None:
    """However decisions are spread over workers, their sum is the same."""
    whole, parts = Decisions(NOW), (Decisions(NOW), Decisions(NOW))
    for place, (judged, similarity, probability) in enumerate(made):
        one = outcome(similarity=similarity, judged=judged, probability=probability, guard="g")
        for decisions in (whole, parts[place < cut]):
            decisions.add(NOW, one)

    assert together([one.report() for one in parts]) == whole.report()


# History


@given(st.lists(st.floats(1e-5, 600), min_size=1, max_size=50), st.sampled_from([0.5, 0.99]))
def test_a_quantile_is_within_five_per_cent(times: list[float], share: float) -> None:
    """Of the least time within which so large a share was answered."""
    counts: dict[int, int] = {}
    for seconds in times:
        counts[bucket_of(seconds)] = counts.get(bucket_of(seconds), 0) + 1
    exact = sorted(times)[max(0, -(-int(share * 100) * len(times) // 100) - 1)]

    assert quantile_ms(counts, share) == pytest.approx(1000 * exact, rel=GROWTH**0.5 - 1 + 0.006)


def test_minutes_have_all_that_their_seconds_had() -> None:
    """A day's history counts what an hour's does, the step under way included."""
    kept = History()
    for second in range(0, 600, 7):
        kept.count(NOW + second, hit(0.002))
    now = NOW + 599
    fine, coarse = (history.points(kept.steps(m, now), m, now) for m in (60, 120))

    assert sum(one["requests"].get("HIT", 0) for one in fine) == 86
    assert sum(one["requests"].get("HIT", 0) for one in coarse) == 86
    assert sum(one["tokens_saved"] for one in coarse) == 3 * 86
    told = [one["latency_ms"]["session"]["p50"] for one in coarse if one["requests"]]
    assert told == [pytest.approx(2, rel=0.05)] * len(told)


def test_a_history_is_bounded() -> None:
    """A week of requests takes no more than a day of them."""
    kept = History()
    for step in range(0, 7 * 86400, 50):
        kept.count(NOW + step, hit(0.002))
    now = NOW + 7 * 86400 - 50

    assert len(kept._fine) == 360
    assert len(kept._coarse) == 1440
    assert len(history.points(kept.steps(1440, now), 1440, now)) == 1440


def test_a_worker_tells_another_its_steps_whole() -> None:
    """What is read is what was written, latencies included."""
    kept = History()
    kept.count(NOW, hit(0.25, Tier.VECTOR))
    kept.count(NOW, outcome(status=502, timings={"total": 3.0}, upstream_status=502))
    steps = kept.steps(1, NOW)

    assert history.loads(history.dumps(steps)) == steps
    point = history.points([*steps, *steps], 1, NOW)[-1]
    assert (point["requests"], point["errors"]) == ({"HIT": 2, "MISS": 2}, 2)
    assert set(point["latency_ms"]) == {"vector", "origin"}


# Following


def test_whoever_comes_back_is_told_what_he_has_not_heard() -> None:
    """From the number he heard last; what is no longer remembered is counted."""
    following, heard = Following(kept=3), list[Happening | Dropped]()
    for number in range(5):
        following.event(NOW, f"e{number}", {})
    first = following.last - 4
    with following.heard_by(heard.append, after=first):
        following.event(NOW, "new", {})
    following.event(NOW, "later", {})

    assert heard[0] == Dropped(1)
    assert [one.name for one in heard[1:] if isinstance(one, Happening)] == [
        "e2",
        "e3",
        "e4",
        "new",
    ]


def test_whoever_has_heard_all_is_told_nothing_again() -> None:
    """Nor is anything said to be missing."""
    following, heard = Following(), list[Happening | Dropped]()
    following.event(NOW, "old", {})
    with following.heard_by(heard.append, after=following.last):
        pass

    assert heard == []


async def test_what_does_not_fit_into_a_mailbox_is_counted_in_its_place() -> None:
    """What waits stays in order, and so does what is missing."""
    mailbox = Mailbox(lambda lost: f"lost {lost}", most=2)
    for name in ("a", "b", "c", "d"):
        mailbox.put(name)
    taken = await mailbox.take(1)
    mailbox.put("e")

    assert taken == ["a", "b", "lost 2"]
    assert await mailbox.take(1) == ["e"]
    assert await mailbox.take(0.01) == []


async def test_a_mailbox_is_filled_from_other_threads() -> None:
    """Whoever reads is woken, wherever the event happened."""
    mailbox = Mailbox(str)
    reading = asyncio.gather(mailbox.take(10), asyncio.to_thread(mailbox.put, "a"))

    assert (await reading)[0] == ["a"]


# All of it


def test_switched_off_it_forgets() -> None:
    """Nothing is remembered of the time when nobody may look, nor afterwards of before."""
    watch = Watch(clock=lambda: NOW)
    near = outcome(similarity=0.9, judged=Judged.BELOW)
    watch.notice(near)
    watch.switch(on=False)
    watch.notice(near)
    watch.event("noise")
    watch.switch(on=True)
    held = watch.recent.page(10), watch.decisions.report().looked, watch.history.steps(60, NOW)
    watch.notice(near)

    assert held == ([], 0, [])
    assert watch.decisions.report().looked == len(watch.recent.page(10)) == 1
