"""The contract of a SessionTier; every implementation is a parameter of `make`."""

import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.model import Answer, Caller, Entry
from proxy.ports import SessionTier
from proxy.tiers.session import REMEMBERED, MemoryTier, Removals, size_of
from tests.tiers.builders import FakeClock, entry, scope

ANN = Caller("acme", "ann")
BOB = Caller("acme", "bob")
EVE = Caller("other", "ann")

Make = Callable[..., SessionTier]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[MemoryTier])
def make(request: pytest.FixtureRequest, clock: FakeClock) -> Make:
    def build(max_entries: int = 100, max_bytes: int = 10**7, ttl_s: float = 1000.0) -> SessionTier:
        tier: SessionTier = request.param(
            clock=clock, max_entries=max_entries, max_bytes=max_bytes, ttl_s=ttl_s
        )
        return tier

    return build


def test_an_entry_comes_back_to_its_session_alone(make: Make, clock: FakeClock) -> None:
    """Neither another session nor another tenant's session of the same name reads it."""
    tier = make()
    made = entry("q", clock)
    tier.put(ANN, made)

    assert tier.get(ANN, made.id) is made
    assert tier.get(BOB, made.id) is None
    assert tier.get(EVE, made.id) is None
    assert tier.get(ANN, "unknown") is None


def test_a_stale_entry_is_given_until_it_is_no_longer_kept(make: Make, clock: FakeClock) -> None:
    """Freshness is the caller's business; `kept_until` is the tier's."""
    tier = make()
    made = entry("q", clock, ttl=100)
    tier.put(ANN, made)
    clock.now = made.expires_at + 1

    assert tier.get(ANN, made.id) is made

    clock.now = made.kept_until

    assert tier.get(ANN, made.id) is None
    assert tier.stats()["entries"] == 0
    assert tier.stats()["evicted_expired"] == 1


def test_the_tiers_own_ttl_counts_from_the_put(make: Make, clock: FakeClock) -> None:
    """Reading does not prolong it."""
    tier = make(ttl_s=10)
    made = entry("q", clock, ttl=100)
    tier.put(ANN, made)
    clock.now += 9

    assert tier.get(ANN, made.id) is made

    clock.now += 1

    assert tier.get(ANN, made.id) is None


def test_the_least_recently_used_goes_first(make: Make, clock: FakeClock) -> None:
    """A read makes an entry young again."""
    tier = make(max_entries=2)
    first, second, third = (entry(f"q{n}", clock) for n in range(3))
    tier.put(ANN, first)
    tier.put(ANN, second)
    tier.get(ANN, first.id)
    tier.put(ANN, third)

    assert tier.get(ANN, second.id) is None
    assert tier.get(ANN, first.id) is first
    assert tier.get(ANN, third.id) is third
    assert tier.stats()["evicted_capacity_entries"] == 1


def test_bytes_are_bounded(make: Make, clock: FakeClock) -> None:
    """One large entry drives out as many as it takes."""
    small = [entry(f"q{n}", clock) for n in range(3)]
    large = entry("large", clock, answer=Answer(b"x" * 2 * size_of(small[0])))
    tier = make(max_bytes=size_of(large) + size_of(small[0]))
    for made in [*small, large]:
        tier.put(ANN, made)

    assert tier.get(ANN, small[1].id) is None
    assert tier.get(ANN, small[2].id) is small[2]
    assert tier.get(ANN, large.id) is large
    assert tier.stats()["evicted_capacity_bytes"] == 2
    assert tier.stats()["bytes"] == size_of(large) + size_of(small[2])


def test_an_entry_over_the_bound_is_not_kept(make: Make, clock: FakeClock) -> None:
    """It drives nobody out, but the answer that it replaces is not served any longer."""
    made, other = entry("q", clock), entry("other", clock)
    tier = make(max_bytes=3 * size_of(made))
    tier.put(ANN, made)
    tier.put(ANN, other)
    tier.put(ANN, replace(made, answer=Answer(b"x" * 3 * size_of(made))))

    assert tier.get(ANN, made.id) is None
    assert tier.get(ANN, other.id) is other


def test_an_entry_past_its_lifetime_is_not_kept(make: Make, clock: FakeClock) -> None:
    """Nor does it drive a living one out."""
    tier = make(max_entries=1)
    made = entry("q", clock)
    tier.put(ANN, made)
    tier.put(ANN, entry("late", clock, ttl=0))

    assert tier.get(ANN, made.id) is made


def test_a_bound_of_no_entries_switches_the_tier_off(make: Make, clock: FakeClock) -> None:
    """Nothing is kept, nothing fails."""
    tier = make(max_entries=0)
    made = entry("q", clock)
    tier.put(ANN, made)

    assert tier.get(ANN, made.id) is None


def test_a_refresh_replaces(make: Make, clock: FakeClock) -> None:
    """The same id in the same session is one entry, counted once."""
    tier = make()
    made = entry("q", clock)
    again = replace(made, answer=Answer(b"new"))
    tier.put(ANN, made)
    tier.put(ANN, again)

    assert tier.get(ANN, made.id) is again
    assert tier.stats()["entries"] == 1
    assert tier.stats()["bytes"] == size_of(again)


def test_drop_reaches_every_session(make: Make, clock: FakeClock) -> None:
    """It counts what it forgot; what is not held, or named twice, is a no-op."""
    tier = make()
    made, other = entry("q", clock), entry("other", clock)
    for caller in (ANN, BOB):
        tier.put(caller, made)
    tier.put(ANN, other)

    assert tier.drop([made.id, made.id, "unknown"]) == 2
    assert tier.get(ANN, made.id) is None
    assert tier.get(BOB, made.id) is None
    assert tier.get(ANN, other.id) is other
    assert tier.drop([made.id]) == 0
    assert tier.stats()["evicted_dropped"] == 2


def test_purge_forgets_what_the_selector_means(make: Make, clock: FakeClock) -> None:
    """By tag within the tenant; by everything over all tenants."""
    tier = make()
    ours = entry("q", clock, tags=("a", "b"))
    untagged = entry("untagged", clock)
    theirs = entry("q", clock, where=scope("other"), tags=("a",))
    tier.put(ANN, ours)
    tier.put(ANN, untagged)
    tier.put(EVE, theirs)

    assert tier.purge(Selector("acme", tags=("a",))) == 1
    assert tier.get(ANN, ours.id) is None
    assert tier.get(ANN, untagged.id) is untagged
    assert tier.get(EVE, theirs.id) is theirs
    assert tier.purge(Selector(ALL_TENANTS, everything=True)) == 2
    assert tier.stats()["entries"] == 0
    assert tier.stats()["bytes"] == 0


def test_hits_and_misses_are_counted(make: Make, clock: FakeClock) -> None:
    """One of the two for every get."""
    tier = make()
    made = entry("q", clock)
    tier.put(ANN, made)
    for key in (made.id, made.id, "unknown"):
        tier.get(ANN, key)

    assert tier.stats()["hits"] == 2
    assert tier.stats()["misses"] == 1


def _check_whole(tier: MemoryTier) -> None:
    held = tier._slots
    assert tier._bytes == sum(slot.size for slot in held.values())
    assert {key for keys in tier._holders.values() for key in keys} == set(held)
    assert all(tier._holders.values())


def test_threads_leave_it_whole(clock: FakeClock) -> None:
    """Puts, gets, drops and purges from eight threads lose no count and serve no other's entry."""
    pool = [entry(f"q{n}", clock, answer=Answer(b"x" * n * 50)) for n in range(60)]
    tier = MemoryTier(clock=clock, max_entries=40, max_bytes=60 * size_of(pool[0]), ttl_s=50)
    callers = (ANN, BOB, EVE)

    def work(seed: int) -> None:
        random = Random(seed)
        for _ in range(3000):
            made, caller = random.choice(pool), random.choice(callers)
            match random.randrange(12):
                case 0:
                    tier.drop([made.id])
                case 1:
                    tier.purge(Selector("acme", ids=(made.id,)))
                case 2 | 3 | 4 | 5:
                    tier.put(caller, made)
                case _:
                    assert tier.get(caller, made.id) in (None, made)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)

    _check_whole(tier)
    assert tier.stats()["entries"] <= 40
    assert tier.stats()["bytes"] <= 60 * size_of(pool[0])


steps = st.lists(
    st.tuples(st.sampled_from("pgdt"), st.integers(0, 5), st.sampled_from([ANN, BOB, EVE]))
)


@given(steps)
def test_it_agrees_with_a_plain_dict(script: list[tuple[str, int, Caller]]) -> None:
    """Within its bounds it is a dict of (tenant, session, id) whose items end at `kept_until`."""
    clock = FakeClock()
    tier = MemoryTier(clock=clock, max_entries=100, max_bytes=10**7, ttl_s=1000)
    model: dict[tuple[Caller, str], Entry] = {}
    for action, number, caller in script:
        made = entry(f"q{number}", clock, ttl=10)
        match action:
            case "p":
                tier.put(caller, made)
                model[caller, made.id] = made
            case "d":
                tier.drop([made.id])
                model = {key: kept for key, kept in model.items() if key[1] != made.id}
            case "t":
                clock.now += 3
                model = {key: kept for key, kept in model.items() if kept.kept_until > clock.now}
            case _:
                assert tier.get(caller, made.id) is model.get((caller, made.id))
        _check_whole(tier)


def test_what_was_removed_while_it_was_read_does_not_come_back(
    make: Make, clock: FakeClock
) -> None:
    """An entry read elsewhere before its removal, and kept here after it, would be served on."""
    tier = make()
    made, other = entry("q", clock), entry("other", clock)
    began = clock()
    clock.now += 1
    tier.drop([made.id])
    clock.now += 1
    tier.put(ANN, made, read_at=began)
    tier.put(ANN, other, read_at=began)

    assert tier.get(ANN, made.id) is None
    assert tier.get(ANN, other.id) is other

    tier.put(ANN, made, read_at=clock())

    assert tier.get(ANN, made.id) is made


def test_a_purge_removes_what_is_being_read(make: Make, clock: FakeClock) -> None:
    """Nobody knows whether it was meant: it is read again."""
    tier = make()
    made = entry("q", clock)
    tier.purge(Selector("acme", tags=("a",)))
    tier.put(ANN, made, read_at=clock())

    assert tier.get(ANN, made.id) is None


def test_a_renewed_entry_leaves_every_session(make: Make, clock: FakeClock) -> None:
    """But for those that have the new answer; an old one that is being read does not come back."""
    tier = make()
    old = entry("q", clock)
    clock.now += 1
    new = replace(old, created_at=clock())
    tier.put(ANN, old)
    tier.put(BOB, new)

    assert tier.renew(old.id, new.created_at) == 1
    assert tier.get(ANN, old.id) is None
    assert tier.get(BOB, old.id) is new

    tier.put(ANN, old, read_at=old.created_at)
    assert tier.get(ANN, old.id) is None
    tier.put(ANN, new, read_at=old.created_at)
    assert tier.get(ANN, old.id) is new
    assert tier.renew("unknown", 1.0) == 0


def test_removals_are_remembered_in_bounds(clock: FakeClock) -> None:
    """Of those pushed out only the time is known: what was read before counts as removed."""
    removals = Removals()
    made, other = entry("q", clock), entry("other", clock)
    removals.note([made.id], 1.0)
    removals.note([f"id{number}" for number in range(REMEMBERED)], 2.0)

    assert removals.may_have_met(made, 1.0)
    assert removals.may_have_met(other, 1.0)
    assert not removals.may_have_met(made, 1.5)
    assert len(removals._at) == REMEMBERED


def test_the_byte_count_is_about_what_the_process_pays(clock: FakeClock) -> None:
    """Counted bytes are within a third of what the allocator says, so the bound means something."""
    tracemalloc.start()
    try:
        tier = MemoryTier(clock=clock, max_entries=10**6, max_bytes=10**9, ttl_s=1000)
        for number in range(500):
            made = entry(f"a question of some length {number}", clock)
            frames = tuple(bytes(200) for _ in range(20))
            vector = np.zeros(384, np.float32)
            answer = replace(made.answer, body=bytes(900), frames=frames)
            tier.put(ANN, replace(made, answer=answer, vector=vector))
        paid = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert tier.stats()["bytes"] == pytest.approx(paid, rel=0.34)
