"""What holds for FAISS alone; the rest is the contract in test_vector.py."""

import asyncio
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.changes import Added, Changes, Removed
from proxy.errors import TierError
from proxy.tiers import snapshot
from proxy.tiers.faiss import FaissTier
from proxy.tiers.faissindex import Index
from proxy.tiers.faissrows import FIRST_ROWS, encode
from proxy.tiers.keyring import Key, Keyring
from tests.tiers.builders import DIMENSION, EMBEDDER, Events, FakeClock, unit


def _added(number: int) -> Added:
    return Added(f"id{number}", "s", f"question {number}", unit(number), EMBEDDER, 1e12)


def _tier(path: Path | None, clock: FakeClock, events: Events, **options: object) -> FaissTier:
    plain = {"embedder": EMBEDDER, "dimension": DIMENSION, "max_entries": 9000}
    return FaissTier(path, clock=clock, on_event=events, **{**plain, **options})  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "index.snapshot"


@pytest.fixture
async def saved(path: Path, clock: FakeClock, events: Events) -> AsyncIterator[FaissTier]:
    """A tier that has saved ten entries at position 5."""
    tier = _tier(path, clock, events)
    await tier.start()
    await tier.apply(Changes(tuple(map(_added, range(10))), "5"))
    await tier.save()
    yield tier
    await tier.close()


async def _refusal(tier: FaissTier, events: Events) -> object:
    """Why the tier started empty."""
    await tier.start()
    await tier.close()

    assert tier.position is None
    assert tier.stats()["entries"] == 0
    assert events.names == ["snapshot_refused"]
    return events.heard[0][1]["reason"]


async def test_one_thread_searches(clock: FakeClock, events: Events) -> None:
    """Two OpenMP threads on busy cores are slower than one: on the loop, and beside it."""
    tier = _tier(None, clock, events)
    await tier.start()
    beside = await tier._read(faiss.omp_get_max_threads)
    await tier.close()

    assert faiss.omp_get_max_threads() == beside == 1


@pytest.mark.usefixtures("saved")
def test_the_snapshot_is_for_this_user_alone(path: Path) -> None:
    """0600, in a directory made 0700, and nothing left beside it."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


async def test_no_snapshot_is_no_event(path: Path, clock: FakeClock, events: Events) -> None:
    """A first start is empty and quiet; so is a tier without a path, which saves nowhere."""
    for where in (path, None):
        tier = _tier(where, clock, events)
        await tier.start()

        assert tier.position is None

        await tier.close()
    unsaved = _tier(None, clock, events)
    await unsaved.start()
    await unsaved.save()
    await unsaved.close()

    assert events.heard == []


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"embedder": "another"}, "of another embedder"),
        ({"dimension": DIMENSION + 1}, "of another embedder"),
    ],
)
async def test_another_embedders_snapshot_is_refused(
    path: Path, clock: FakeClock, events: Events, options: dict[str, object], reason: str
) -> None:
    """Vectors of two embedders never meet."""
    assert reason in str(await _refusal(_tier(path, clock, events, **options), events))


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("cut", [1, 40, 200])
async def test_a_truncated_snapshot_is_refused(
    path: Path, clock: FakeClock, events: Events, cut: int
) -> None:
    """However little is missing."""
    _edit(path, lambda data: data[:-cut])

    assert await _refusal(_tier(path, clock, events), events) == "truncated"


@pytest.mark.usefixtures("saved")
async def test_a_damaged_snapshot_is_refused(path: Path, clock: FakeClock, events: Events) -> None:
    """A flipped bit in a vector would be another similarity."""
    _edit(path, lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:])

    assert await _refusal(_tier(path, clock, events), events) == "its checksum is wrong"


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("head", [b"", b"RPIX", b"RPIX\x01", b"something else altogether"])
async def test_another_versions_snapshot_is_refused(
    path: Path, clock: FakeClock, events: Events, head: bytes
) -> None:
    """Another program's file is not guessed at, and a foreign one neither."""
    _edit(path, lambda data: head + data[5:] if len(head) == 5 else head)

    assert await _refusal(_tier(path, clock, events), events) == "not a snapshot of version 2"


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_spoilt_snapshot_is_never_read(tmp_path: Path, data: st.DataObject) -> None:
    """Any flipped bit, any cut: refused before one entry is taken from it."""
    path = tmp_path / "spoilt"
    block = snapshot.Block(
        ["id1"],
        ["question 1"],
        ["s"],
        np.ones(1),
        np.ones(1, np.int64),
        encode(unit(1)[np.newaxis]),
    )
    snapshot.write(path, embedder="e", dimension=DIMENSION, position="5", blocks=[block])
    whole = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    cut = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    for spoilt in (flipped, whole[:cut]):
        path.write_bytes(spoilt)
        with pytest.raises(snapshot.SnapshotError):
            snapshot.read(path, embedder="e", dimension=DIMENSION)


async def test_a_failed_save_leaves_the_snapshot_before_it(
    path: Path, saved: FaissTier, clock: FakeClock, events: Events
) -> None:
    """It is a TierError, and the next start finds the old one whole."""
    path.with_name(f"{path.name}.tmp").mkdir()
    await saved.apply(Changes((_added(99),), "6"))
    with pytest.raises(TierError, match="cannot be written"):
        await saved.save()
    tier = _tier(path, clock, events)
    await tier.start()

    assert tier.position == "5"
    assert tier.stats()["entries"] == 10

    await tier.close()


async def test_what_is_over_or_too_much_is_not_loaded(
    path: Path, clock: FakeClock, events: Events
) -> None:
    """A smaller bound keeps the newest; what has expired since stays away."""
    tier = _tier(path, clock, events)
    await tier.start()
    short = Added("short", "s", "q", unit(1), EMBEDDER, clock() + 5)
    await tier.apply(Changes((*map(_added, range(10)), short), "5"))
    await tier.save()
    await tier.close()
    clock.now += 5
    small = _tier(path, clock, events, max_entries=4)
    await small.start()
    found = {one.entry_id for one in await small.search("s", unit(1), 99)}
    await small.close()

    assert found == {"id6", "id7", "id8", "id9"}


async def test_it_grows_and_keeps_what_it_holds(clock: FakeClock, events: Events) -> None:
    """Over several doublings, with removals between, up to the bound."""
    tier = _tier(None, clock, events, max_entries=5 * FIRST_ROWS)
    await tier.start()
    rng = np.random.default_rng(0)
    for start in range(0, 6 * FIRST_ROWS, FIRST_ROWS):
        numbers = range(start, start + FIRST_ROWS)
        gone = [Removed(f"id{n}") for n in rng.choice(start or 1, 50)]
        await tier.apply(Changes((*map(_added, numbers), *gone), "5"))
        for number in rng.choice(numbers, 20):
            (best,) = await tier.search("s", unit(int(number)), 1)

            assert best.entry_id == f"id{number}"
    await tier.close()

    assert tier.stats()["entries"] == tier.stats()["bytes"] == 0
    assert tier.stats()["evicted"] > 0


async def test_the_oldest_makes_room(path: Path, clock: FakeClock, events: Events) -> None:
    """At the bound the one added longest ago goes; it is counted, and said once."""
    tier = _tier(path, clock, events, max_entries=3)
    await tier.start()
    await tier.apply(Changes(tuple(map(_added, (1, 2, 3, 1))), "1"))
    await tier.apply(Changes(tuple(map(_added, (4, 5))), "2"))
    found = await tier.search("s", unit(1), 9)
    await tier.close()

    assert {one.entry_id for one in found} == {"id1", "id4", "id5"}
    assert tier.stats()["evicted"] == 2
    assert events.heard == [("index_full", {"max_entries": 3})]


async def test_a_removed_ones_place_is_used_again(
    path: Path, clock: FakeClock, events: Events
) -> None:
    """Replacing entries for ever does not make the index grow, nor mix any up."""
    tier = _tier(path, clock, events)
    await tier.start()
    await tier.apply(Changes(tuple(map(_added, range(100))), "1"))
    size = tier.stats()["bytes"]
    for round_ in range(1, 30):
        gone = [Removed(f"id{n}") for n in range((round_ - 1) * 100, round_ * 100)]
        came = [_added(n) for n in range(round_ * 100, (round_ + 1) * 100)]
        await tier.apply(Changes((*gone, *came), "2"))

    assert tier.stats()["bytes"] < size * 1.2
    assert tier.stats()["scopes"] == 1
    for number in range(2900, 3000):
        (best,) = await tier.search("s", unit(number), 1)

        assert best.entry_id == f"id{number}"
    await tier.close()


async def test_what_was_removed_is_never_found_again(clock: FakeClock, events: Events) -> None:
    """Not by a search that began after the removal, however busy the large scope is."""
    tier = _tier(None, clock, events, exact_up_to=100)
    await tier.start()
    await tier.apply(Changes(tuple(map(_added, range(3000))), "1"))
    gone: set[str] = set()

    async def remove() -> None:
        for first in range(0, 2900, 50):
            ids = [f"id{number}" for number in range(first, first + 50)]
            came = map(_added, range(3000 + first, 3050 + first))
            await tier.apply(Changes((*map(Removed, ids), *came), "2"))
            gone.update(ids)

    async def search() -> int:
        asked = 0
        while not removing.done():
            gone_before = frozenset(gone)
            found = await tier.search("s", unit(asked % 3000), 4)

            assert len(found) == 4
            assert gone_before.isdisjoint(one.entry_id for one in found)
            asked += 1
        return asked

    async with asyncio.TaskGroup() as group:
        removing = group.create_task(remove())
        searching = [group.create_task(search()) for _ in range(3)]
    await tier.close()

    assert all(task.result() for task in searching)


async def test_the_dead_do_not_hide_the_living(clock: FakeClock, events: Events) -> None:
    """A large scope whose nearest thousand are past their time still gives those that are not."""
    tier = _tier(None, clock, events, exact_up_to=100, dimension=64)
    await tier.start()
    near = unit(1, 64)
    dying = [Added(f"d{n}", "s", "q", near, EMBEDDER, clock() + 1) for n in range(1000)]
    living = [Added(f"l{n}", "s", "q", unit(n + 2, 64), EMBEDDER, 1e12) for n in range(9)]
    await tier.apply(Changes((*dying, *living), "1"))
    clock.now += 1
    found = await tier.search("s", near, 4)
    await tier.close()

    assert len(found) == 4
    assert all(one.entry_id.startswith("l") for one in found)


async def test_a_snapshot_is_taken_while_the_log_is_followed(
    path: Path, clock: FakeClock, events: Events
) -> None:
    """It and the log from its position on make the same index, whatever changed meanwhile.

    So many are gone already that entries move to give memory back, as soon as they may.
    """
    tier = _tier(path, clock, events, max_entries=30_000)
    await tier.start()
    tier._index = Index(
        EMBEDDER,
        DIMENSION,
        max_entries=30_000,
        exact_up_to=4000,
        chunk_bytes=1 << 12,
        counts=tier._counts,
    )
    await tier.apply(Changes(tuple(map(_added, range(20_000))), "0"))
    await tier.apply(Changes(tuple(Removed(f"id{n}") for n in range(15_000, 18_950)), "0"))
    assert tier._index.slots == 20_000
    log = [
        Changes(
            (
                *(Removed(f"id{n}") for n in range(step * 200, step * 200 + 150)),
                *(_added(n) for n in range(step * 200, step * 200 + 50)),
                *(_added(20_000 + step * 10 + n) for n in range(10)),
            ),
            str(step + 1),
        )
        for step in range(60)
    ]

    async def follow() -> None:
        for changes in log:
            await tier.apply(changes)

    async with asyncio.TaskGroup() as group:
        group.create_task(tier.save())
        group.create_task(follow())
    expected = {one.entry_id for one in await tier.search("s", unit(1), 30_000)}
    assert tier._index.slots < 15_000
    await tier.close()
    other = _tier(path, clock, events, max_entries=30_000)
    await other.start()
    assert other.position is not None
    for changes in log[int(other.position) :]:
        await other.apply(changes)
    found = [one.entry_id for one in await other.search("s", unit(1), 30_000)]
    await other.close()

    assert len(found) == len(expected) == 20_000 - 3950 - 60 * 90
    assert set(found) == expected


async def test_a_tier_that_closes_spoils_no_snapshot(
    path: Path, clock: FakeClock, events: Events
) -> None:
    """Closed while it saves, it leaves the snapshot before or the new one, whole."""
    for number, wait_s in enumerate((0.0, 0.001, 0.005, 0.02)):
        tier = _tier(path, clock, events, max_entries=30_000)
        await tier.start()
        await tier.apply(Changes(tuple(map(_added, range(20_000))), str(number)))
        async with asyncio.TaskGroup() as group:
            saving = group.create_task(_outcome(tier.save()))
            await asyncio.sleep(wait_s)
            await tier.close()
        reader = _tier(path, clock, events)
        await reader.start()
        await reader.close()

        assert saving.result() in {"", "closed", "emptied"}
        assert "snapshot_refused" not in events.names
        assert not path.with_name(f"{path.name}.tmp").exists()


async def test_a_long_log_tells_how_far_it_is(clock: FakeClock, events: Events) -> None:
    """Every few seconds with counts, and once at the end; a short one says nothing."""
    tier = _tier(None, clock, events)
    await tier.start()
    await tier.apply(Changes((_added(0),), "1", more=True))
    await tier.apply(Changes((_added(1),), "2"))

    assert events.heard == []

    following = []
    for number in range(40):
        await tier.apply(Changes((_added(number), Removed("x")), "3", more=number < 39))
        following.append(tier.stats()["following"])
        clock.now += 0.5
    await tier.close()

    assert following == [1.0] * 39 + [0.0]
    assert events.names == ["index_following"] * 3 + ["index_followed"]
    assert events.heard[0][1] == {"changes": 22, "entries": 11}
    assert events.heard[-1][1] == {"changes": 80, "entries": 40}


async def _outcome(work: Coroutine[Any, Any, None]) -> str:
    """Why it failed, in a word; "" when it did not."""
    try:
        await work
    except TierError as error:
        return "closed" if "closed" in str(error) else "emptied"
    return ""


def _edit(path: Path, edit: Callable[[bytes], bytes]) -> None:
    path.write_bytes(edit(path.read_bytes()))


SEALING = Keyring([Key("k1", b"1" * 32)])


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


async def test_a_sealed_snapshot_says_nothing(path: Path, clock: FakeClock, events: Events) -> None:
    """Neither questions nor vectors; who has the key starts from it."""
    changes = Changes(tuple(map(_added, range(3000))), "5")
    tier = _tier(path, clock, events, ring=SEALING)
    await tier.start()
    await tier.apply(changes)
    await tier.save()
    await tier.close()
    stored = _bytes(path)
    again = _tier(path, clock, events, ring=SEALING)
    await again.start()
    found = await again.search("s", unit(7), 1)

    assert (again.position, again.stats()["entries"]) == ("5", 3000)
    assert [one.question for one in found] == ["question 7"]
    assert stored is not None
    assert b"question 7" not in stored
    assert encode(unit(7)[None, :]).tobytes() not in stored

    await again.close()


@pytest.mark.usefixtures("saved")
async def test_a_snapshot_in_clear_does_not_stay(
    path: Path, clock: FakeClock, events: Events
) -> None:
    """Where there is a key it is not read, and removed: it holds what was asked."""
    assert b"question 7" in (_bytes(path) or b"")
    reason = await _refusal(_tier(path, clock, events, ring=SEALING), events)

    assert "in clear" in str(reason)
    assert _bytes(path) is None


async def test_a_snapshot_of_another_key_is_refused(
    path: Path, clock: FakeClock, events: Events
) -> None:
    """And the index built anew."""
    tier = _tier(path, clock, events, ring=SEALING)
    await tier.start()
    await tier.apply(Changes(tuple(map(_added, range(10))), "5"))
    await tier.save()
    await tier.close()
    other = _tier(path, clock, events, ring=Keyring([Key("k2", b"2" * 32)]))

    assert "'k1'" in str(await _refusal(other, events))


@pytest.mark.usefixtures("saved")
async def test_without_questions_there_is_no_snapshot(
    path: Path, clock: FakeClock, events: Events
) -> None:
    """One that is there goes, and none is written; what is known in memory is found."""
    tier = _tier(path, clock, events, keeps_questions=False)
    await tier.start()
    assert _bytes(path) is None
    await tier.apply(Changes((_added(1), replace(_added(2), question="")), "5"))
    await tier.save()
    found = await tier.search("s", unit(2), 5)

    assert _bytes(path) is None
    assert [one.question for one in found] == ["question 1"]

    await tier.close()
