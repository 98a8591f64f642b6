"""What holds for the file alone; the rest is the contract in test_shared.py."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.core.changes import ALL_TENANTS, Forgotten, Removed, Selector
from proxy.core.model import Answer
from proxy.errors import TierError
from proxy.tiers.codec import INLINE
from proxy.tiers.sqlite import SqliteTier
from proxy.tiers.sqlitefile import SCHEMA_VERSION
from proxy.tiers.sqliteleases import KEPT_S
from proxy.tiers.sqlitewaiting import SqliteLeases
from tests.tiers.builders import Events, FakeClock, Fold, entry, scope

WRITER = """
import asyncio, sys, time
from pathlib import Path
from proxy.tiers.sqlite import SqliteTier
from tests.tiers.builders import Events, FakeClock, entry

async def write(tier, clock, lane):
    for number in range(10**6):
        made = entry(f"{lane}/{number % 300}", clock, seed=None if number % 3 == 0 else number)
        await tier.put(made)
        print(made.id, made.question, flush=True)

async def main():
    clock = FakeClock()
    tier = SqliteTier(Path(sys.argv[1]), clock=clock, on_event=Events())
    await tier.start()
    await asyncio.gather(*(write(tier, clock, lane) for lane in range(4)))

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "here" / "cache.db"


@pytest.fixture
async def tier(path: Path, clock: FakeClock, events: Events) -> AsyncIterator[SqliteTier]:
    built = SqliteTier(path, clock=clock, on_event=events, busy_timeout_s=0.05)
    await built.start()
    yield built
    await built.close()


async def test_who_reads_while_it_is_closed_is_told(tier: SqliteTier, clock: FakeClock) -> None:
    """Each gets his entry, or hears that there is no tier: nobody waits for ever."""
    made = [entry(f"q{n}", clock) for n in range(20)]
    await asyncio.gather(*map(tier.put, made))
    asked = [tier.get(one.scope, one.id) for one in made]
    async with asyncio.timeout(20):
        *found, _ = await asyncio.gather(*asked, tier.close(), return_exceptions=True)

    assert found[0] == made[0]
    assert all(
        isinstance(one, TierError) or one == its for one, its in zip(found, made, strict=True)
    )


async def test_what_is_being_put_is_forgotten_too(tier: SqliteTier, clock: FakeClock) -> None:
    """Also while other answers are being written, for which it waits: nothing comes back."""
    first, second = entry("first", clock), entry("second", clock)
    may_go_on = threading.Event()
    held = tier.ask(lambda _: may_go_on.wait(20))
    puts = asyncio.gather(tier.put(first))
    await asyncio.sleep(0)
    writing = tier.ask(lambda _: None)  # has the first one written
    later = asyncio.gather(tier.put(second))
    await asyncio.sleep(0)
    purging = asyncio.gather(tier.purge(Selector(second.tenant, ids=(second.id,))))
    await asyncio.sleep(0)
    may_go_on.set()
    await asyncio.gather(held, puts, writing, later)

    (purged,) = await purging
    assert purged == [second.id]
    assert await tier.get(second.scope, second.id) is None
    assert await tier.get(first.scope, first.id) == first


def test_a_killed_writer_loses_nothing(path: Path, clock: FakeClock, events: Events) -> None:
    """Whatever a put returned for is served after SIGKILL, and the log folds to what is live."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(1500)]
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
    printed = dict(line.split() for line in lines if line.endswith("\n"))

    async def check() -> None:
        tier = SqliteTier(path, clock=clock, on_event=events)
        await tier.start()
        reader = Fold(tier, limit=100)
        await reader.catch_up()
        for entry_id, question in printed.items():
            found = await tier.get(scope().id, entry_id)

            assert found is not None
            assert found.question == question
            assert found.answer == entry(question, clock).answer
        await tier.close()
        with sqlite3.connect(path) as database:
            rows = database.execute("SELECT id FROM entries WHERE indexed").fetchall()
            log = database.execute("SELECT id, added FROM log ORDER BY seq").fetchall()

            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()
        live = {row[0] for row in rows}

        assert reader.ids == live
        assert {key for key, is_added in dict(log).items() if is_added} == live

    assert len(printed) >= 300
    asyncio.run(check())
    assert events.heard == []


async def test_the_file_is_for_this_user_alone(path: Path, tier: SqliteTier) -> None:
    """The file, its log and its memory are 0600, in a directory made 0700."""
    await tier.put(entry("q", FakeClock()))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {"cache.db": 0o600, "cache.db-wal": 0o600, "cache.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_closing_leaves_one_file(path: Path, tier: SqliteTier) -> None:
    """The WAL is written out, so that a copy of the file is a copy of the cache."""
    await tier.put(entry("q", FakeClock()))
    await tier.close()

    assert [file.name for file in path.parent.iterdir()] == ["cache.db"]


async def test_close_writes_what_waits(path: Path, clock: FakeClock, events: Events) -> None:
    """Puts that were under way when the tier closed are in the file."""
    tier = SqliteTier(path, clock=clock, on_event=events)
    await tier.start()
    made = [entry(f"q{n}", clock) for n in range(20)]
    async with asyncio.TaskGroup() as group:
        for one in made:
            group.create_task(tier.put(one))
        await asyncio.sleep(0)
        await tier.close()
    await tier.start()

    assert [await tier.get(one.scope, one.id) for one in made] == made

    await tier.close()


async def test_what_waits_to_be_written_is_read(tier: SqliteTier, clock: FakeClock) -> None:
    """Whoever asks for an entry that has just been put finds it, and so does who reads the log."""
    made = [entry(text, clock) for text in ("a", "b")]
    reader = Fold(tier)
    await reader.catch_up()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(tier.put(made[0]))
        await asyncio.sleep(0)
        assert await tier.get(made[0].scope, made[0].id) == made[0]
        second = group.create_task(tier.put(made[1]))
        await asyncio.sleep(0)
        await reader.catch_up()

    assert reader.position == second.result() != first.result() != ""


async def test_a_newer_schema_is_refused(path: Path, tier: SqliteTier) -> None:
    """An older program does not touch a newer program's file."""
    await tier.close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()

    with pytest.raises(TierError, match=f"this program {SCHEMA_VERSION}"):
        await tier.start()
    with pytest.raises(TierError, match="not open"):
        await tier.get("s", "k")


BEFORE = {
    8: ["DROP TABLE salts"],
    7: ["ALTER TABLE entries DROP COLUMN principal"],
    6: ["DROP TABLE embedders"],
    5: [
        "DROP INDEX entries_generation",
        "ALTER TABLE entries DROP COLUMN generation",
        "DROP TABLE generations",
        "ALTER TABLE log DROP COLUMN selector",
        "ALTER TABLE log ADD COLUMN invalidated INTEGER NOT NULL DEFAULT 0",
    ],
    4: ["DROP TABLE replicas"],
    3: ["ALTER TABLE log DROP COLUMN invalidated"],
    2: ["DROP TABLE leases"],
}
"""What undoes each version of the schema."""


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
async def test_an_older_schema_is_brought_up_to_date(
    path: Path, clock: FakeClock, version: int
) -> None:
    """In place: its entries and its log are what they were; it has leases, and can purge."""
    events = Events()
    tier = SqliteTier(path, clock=clock, on_event=events)
    await tier.start()
    made = entry("q", clock)
    await tier.put(made)
    reader = Fold(tier)
    await reader.catch_up()
    await tier.close()
    with sqlite3.connect(path) as database:
        for statement in (
            one for after in range(SCHEMA_VERSION, version, -1) for one in BEFORE[after]
        ):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {version}")
    database.close()
    await tier.start()
    leases = SqliteLeases(tier, clock=time.time)

    assert await tier.get(made.scope, made.id) == made
    assert not (await tier.changes(reader.position, 10)).reset
    assert await leases.take("key", 10) is not None

    await tier.purge(Selector("acme", ids=(made.id,)))
    told = await tier.changes(reader.position, 10)

    assert told.items == (Forgotten(Selector("acme", ids=(made.id,))), Removed(made.id))

    await tier.put(made)
    await tier.forget("", "acme")

    assert await tier.get(made.scope, made.id) is None
    await tier.close()


async def test_leases_that_are_long_over_are_forgotten(tier: SqliteTier, clock: FakeClock) -> None:
    """The table does not grow with every question that was ever asked; live ones stay."""
    leases = SqliteLeases(tier, clock=clock)
    lapsed = await leases.take("lapsed", 1)
    released = await leases.take("released", 1)
    assert lapsed is not None
    assert released is not None
    await leases.release(released)
    clock.now += KEPT_S / 2
    await tier.expire(clock())
    assert await _lease_keys(tier) == {"lapsed", "released"}
    clock.now += KEPT_S
    held = await leases.take("held", 1)
    await tier.expire(clock())

    assert held is not None
    assert held.token > lapsed.token
    assert await _lease_keys(tier) == {"held"}


async def _lease_keys(tier: SqliteTier) -> set[str]:
    rows = await tier.ask(lambda file: file._db.execute("SELECT key FROM leases").fetchall())
    return {key for (key,) in rows}


async def test_a_deleted_file_is_let_go_of(
    path: Path, tier: SqliteTier, clock: FakeClock, events: Events
) -> None:
    """Nobody goes on in a file that others cannot see: a look at the log opens the new one."""
    gone, stored = entry("gone", clock), entry("stored", clock, seed=2)
    await tier.put(gone)
    before = (await tier.changes(None, 10)).position
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink()
    changes = await tier.changes(before, 10)
    await tier.put(stored)
    other = SqliteTier(path, clock=clock, on_event=events)
    await other.start()
    found = [await one.get(stored.scope, stored.id) for one in (tier, other)]
    await other.purge(Selector(stored.tenant, ids=(stored.id,)))
    left = [await one.get(each.scope, each.id) for one in (tier, other) for each in (gone, stored)]
    await other.close()

    assert changes.reset
    assert events.names == ["file_replaced"]
    assert [one.id for one in found if one is not None] == [stored.id] * 2
    assert left == [None] * 4


async def test_what_is_no_database_is_refused(path: Path, tier: SqliteTier) -> None:
    """Another file's bytes are left alone; once it is gone the tier starts."""
    await tier.close()
    data = b"not a database, but long enough to be read as one" * 100
    await asyncio.to_thread(path.write_bytes, data)

    with pytest.raises(TierError, match="not a database"):
        await tier.start()

    await asyncio.to_thread(path.unlink)
    await tier.start()

    assert await tier.get("s", "k") is None


async def test_a_path_that_cannot_be_is_a_tier_error(
    tmp_path: Path, clock: FakeClock, events: Events
) -> None:
    """A directory in its place, or a file in its directory's."""
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "cache.db"):
        tier = SqliteTier(path, clock=clock, on_event=events)
        with pytest.raises(TierError, match="sqlite: "):
            await tier.start()
        await tier.close()


async def test_a_lock_that_stays_is_a_tier_error(
    path: Path, tier: SqliteTier, clock: FakeClock
) -> None:
    """A writer waits its time and no longer; readers do not wait at all; later all is well."""
    made = entry("q", clock)
    await tier.put(made)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(TierError, match="locked"):
        await tier.put(entry("late", clock))
    assert await tier.get(made.scope, made.id) == made

    other.execute("ROLLBACK")
    other.close()
    await tier.put(entry("late", clock))


async def test_a_full_disk_is_a_tier_error(tier: SqliteTier, clock: FakeClock) -> None:
    """What does not fit fails whole; what was stored is served; once there is room, all is well."""
    made = entry("q", clock)
    await tier.put(made)
    pages = await tier.ask(lambda file: file._db.execute("PRAGMA page_count").fetchone()[0])
    await tier.ask(lambda file: file._db.execute(f"PRAGMA max_page_count = {pages}").fetchall())
    large = entry("large", clock, answer=Answer(os.urandom(INLINE * 4)))

    with pytest.raises(TierError, match="full"):
        await tier.put(large)
    assert await tier.get(made.scope, made.id) == made
    assert await tier.get(large.scope, large.id) is None

    await tier.ask(lambda file: file._db.execute("PRAGMA max_page_count = 100000").fetchall())
    await tier.put(large)
    reader = Fold(tier)
    await reader.catch_up()

    assert await tier.get(large.scope, large.id) == large
    assert reader.ids == {made.id, large.id}


async def test_a_file_that_takes_no_writes_is_read(tier: SqliteTier, clock: FakeClock) -> None:
    """A probe leaves it open, as it could not be opened anew; once it can be written, it is."""
    made, late = entry("q", clock), entry("late", clock)
    await tier.put(made)
    await tier.ask(lambda file: file._db.execute("PRAGMA query_only = ON").fetchall())

    with pytest.raises(TierError, match="readonly"):
        await tier.put(late)
    await tier.start()
    assert await tier.get(made.scope, made.id) == made
    with pytest.raises(TierError, match="readonly"):  # still the connection that was open
        await tier.put(late)

    await tier.ask(lambda file: file._db.execute("PRAGMA query_only = OFF").fetchall())
    await tier.put(late)
    assert await tier.get(late.scope, late.id) == late


async def test_a_file_that_is_locked_stays_open(
    path: Path, tier: SqliteTier, clock: FakeClock
) -> None:
    """A probe says so, and who reads is answered."""
    made = entry("q", clock)
    await tier.put(made)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(TierError, match="locked"):
        await tier.start()
    assert await tier.get(made.scope, made.id) == made
    other.close()
    await tier.start()
    await tier.put(entry("late", clock))


@pytest.mark.parametrize("damage", ["substr(data, 1, 40)", "zeroblob(300)", "7", "'text'"])
async def test_an_unreadable_entry_is_a_miss(
    path: Path, tier: SqliteTier, clock: FakeClock, events: Events, damage: str
) -> None:
    """It is reported, kept out of the log, and mended by the next put."""
    made, whole = entry("q", clock), entry("whole", clock)
    await tier.put(made)
    await tier.put(whole)
    with sqlite3.connect(path) as database:
        damaging = f"UPDATE entries SET data = {damage} WHERE id = ?"  # noqa: S608 - ours
        database.execute(damaging, (made.id,))
    database.close()
    reader = Fold(tier)
    await reader.catch_up()

    assert await tier.get(made.scope, made.id) is None
    assert reader.ids == {whole.id}
    assert set(events.names) == {"entry_unreadable"}

    await tier.put(made)

    assert await tier.get(made.scope, made.id) == made


async def test_an_entry_under_anothers_key_is_a_miss(
    path: Path, tier: SqliteTier, clock: FakeClock, events: Events
) -> None:
    """Whole bytes in the wrong row are no answer."""
    made, other = entry("q", clock), entry("other", clock)
    await tier.put(made)
    await tier.put(other)
    with sqlite3.connect(path) as database:
        swap = "UPDATE entries SET data = (SELECT data FROM entries WHERE id = ?) WHERE id = ?"
        database.execute(swap, (other.id, made.id))
    database.close()

    assert await tier.get(made.scope, made.id) is None
    assert events.names == ["entry_unreadable"]


async def test_a_log_that_lost_its_end_starts_readers_anew(
    path: Path, tier: SqliteTier, clock: FakeClock
) -> None:
    """After a power cut or a restored backup, numbers come again; positions do not."""
    await tier.put(entry("q1", clock))
    await tier.close()
    backup = await asyncio.to_thread(path.read_bytes)
    await tier.start()
    await tier.put(entry("q2", clock))
    reader = Fold(tier)
    await reader.catch_up()
    await tier.close()
    await asyncio.to_thread(path.write_bytes, backup)
    await tier.start()
    await tier.put(entry("q3", clock))
    await tier.put(entry("q4", clock))
    await reader.catch_up()

    assert reader.ids == {scope().key(question) for question in ("q1", "q3", "q4")}


async def test_space_is_given_back(path: Path, tier: SqliteTier, clock: FakeClock) -> None:
    """After expiry the file is small again."""
    for number in range(40):
        answer = Answer(os.urandom(50_000))
        await tier.put(entry(f"q{number}", clock, ttl=10, answer=answer))
    await tier.expire(clock())
    before = _size(path)
    clock.now += 20
    await tier.expire(clock())
    await tier.close()

    assert before > 40 * 50_000
    assert _size(path) < before / 10


async def test_a_purge_takes_the_log_and_the_entry_together(
    path: Path, tier: SqliteTier, clock: FakeClock
) -> None:
    """A purge that cannot log does not delete."""
    made = entry("q", clock)
    await tier.put(made)
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    database.close()

    with pytest.raises(TierError, match="refused"):
        await tier.purge(Selector(ALL_TENANTS, everything=True))
    assert await tier.get(made.scope, made.id) == made


async def test_the_loop_runs_while_the_file_waits(
    path: Path, tier: SqliteTier, clock: FakeClock
) -> None:
    """A put that waits for a lock does not hold up other work."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    turns = 0
    async with asyncio.TaskGroup() as group:
        put = group.create_task(_failing_put(tier, clock))
        while not put.done():
            await asyncio.sleep(0.001)
            turns += 1
    other.close()

    assert put.result()
    assert turns > 1


async def _failing_put(tier: SqliteTier, clock: FakeClock) -> bool:
    try:
        await tier.put(entry("q", clock))
    except TierError:
        return True
    return False


def _size(path: Path) -> int:
    return path.stat().st_size
