"""What holds for FAISS alone; the rest is the contract in test_vector.py."""

import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.model import Added, Changes, Removed
from proxy.errors import TierError
from proxy.tiers import snapshot
from proxy.tiers.faiss import FIRST_SLOTS, FaissTier
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


def test_one_thread_searches() -> None:
    """Two OpenMP threads on busy cores are slower than one."""
    assert faiss.omp_get_max_threads() == 1


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
@pytest.mark.parametrize("head", [b"", b"RPIX", b"RPIX\x02", b"something else altogether"])
async def test_another_versions_snapshot_is_refused(
    path: Path, clock: FakeClock, events: Events, head: bytes
) -> None:
    """A later program's file is not guessed at, and a foreign one neither."""
    _edit(path, lambda data: head + data[5:] if len(head) == 5 else head)

    assert await _refusal(_tier(path, clock, events), events) == "not a snapshot of version 1"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoilt_snapshot_is_never_read(tmp_path: Path, data: st.DataObject) -> None:
    """Any flipped bit, any cut: refused before one entry is taken from it."""
    path = tmp_path / "spoilt"
    snapshot.write(path, embedder="e", dimension=DIMENSION, position="5", items=[_added(1)])
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
    tier = _tier(None, clock, events, max_entries=5 * FIRST_SLOTS)
    await tier.start()
    rng = np.random.default_rng(0)
    for start in range(0, 6 * FIRST_SLOTS, FIRST_SLOTS):
        numbers = range(start, start + FIRST_SLOTS)
        gone = [Removed(f"id{n}") for n in rng.choice(start or 1, 50)]
        await tier.apply(Changes((*map(_added, numbers), *gone), "5"))
        for number in rng.choice(numbers, 20):
            (best,) = await tier.search("s", unit(int(number)), 1)

            assert best.entry_id == f"id{number}"
    await tier.close()

    assert tier._index.ntotal == 0
    assert tier.stats()["evicted"] > 0


def _edit(path: Path, edit: Callable[[bytes], bytes]) -> None:
    path.write_bytes(edit(path.read_bytes()))
