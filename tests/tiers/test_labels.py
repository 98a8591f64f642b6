"""The file that comparisons and marked pairs are kept in."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.core.labels import Kept, Kind, Mark, Sample
from proxy.core.trusting import Lesson, Rule
from proxy.errors import TierError
from proxy.tiers.labels import _MIGRATIONS, SLACK, LabelFile


def kept(entry: str = "e", at: float = 1.0) -> Kept:
    lesson = Lesson(entry, 0.93, right=True, proposed=frozenset({Rule.POOL}))
    return Kept("t", "docs", "m", stands=True, lesson=lesson, scorer="v", max_error=0.01, at=at)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[LabelFile]:
    opened = LabelFile(tmp_path / "deep" / "labels.db")
    yield opened
    await opened.close()


async def test_nothing_is_made_where_nothing_is_kept(file: LabelFile, tmp_path: Path) -> None:
    """Who learns nothing has no file."""
    assert await file.load() == ([], [])
    await file.close()

    assert names_in(tmp_path) == []


async def test_labels_come_back_as_they_were(file: LabelFile) -> None:
    """In the order in which they were learned, whatever they say."""
    told = Lesson("x", 0.5, right=False, drawn=False)
    labels = [kept("a", 1.0), kept("b", 2.0), replace(kept(at=3.0), stands=False, lesson=told)]
    for label in labels:
        await file.add(label)

    assert await file.load() == (labels, [])


NEAR = Sample(Kind.NEAR, is_clear=False, share=0.02, similarity=0.71, age=3600.0)


async def test_how_a_comparison_came_about_is_kept(file: LabelFile) -> None:
    """What speaks of near misses only is not learned from at the next start, and is read apart."""
    audited = replace(
        kept("a", 1.0),
        sample=Sample(Kind.AUDITED, is_clear=True, share=0.02, similarity=None, age=5.0),
    )
    near = replace(kept("b", 2.0), sample=NEAR)
    told = replace(kept("c", 3.0), sample=None)
    for one in (audited, near, told):
        await file.add(one)

    assert await file.load() == ([audited, told], [])
    assert await file.compared() == [audited, near, told]


async def test_near_misses_push_out_no_hits(tmp_path: Path) -> None:
    """They are many; each kind has the bound to itself."""
    file = LabelFile(tmp_path / "labels.db", labels=10)
    await file.add(kept("hit"))
    for number in range(SLACK):
        await file.add(replace(kept(at=float(number)), sample=NEAR))
    found = await file.compared()
    await file.close()

    assert len(found) == 11
    assert "hit" in [one.lesson.entry for one in found]


async def test_a_file_of_before_is_read_and_goes_on(tmp_path: Path) -> None:
    """What it has stays as it is; what comes says how it came about."""
    path = tmp_path / "labels.db"
    database = sqlite3.connect(path)
    for statement in _MIGRATIONS[0]:
        database.execute(statement)
    database.execute("PRAGMA user_version = 1")
    database.execute(
        "INSERT INTO labels "
        "VALUES (1, 't', 'docs', 'm', 1, 'v', 0.01, 1.0, 'e', 0.93, 1, 1, 'pool')"
    )
    database.commit()
    database.close()
    file = LabelFile(path)

    assert await file.compared() == [kept()]
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
    database.close()
    await file.add(replace(kept("f", 2.0), sample=NEAR))
    assert await file.load() == ([kept()], [])
    assert await file.compared() == [kept(), replace(kept("f", 2.0), sample=NEAR)]
    await file.close()


async def test_reading_comparisons_makes_no_file(file: LabelFile, tmp_path: Path) -> None:
    """And one of a newer version is left alone."""
    assert await file.compared() == []
    assert names_in(tmp_path) == []


async def test_they_survive_a_restart(file: LabelFile, tmp_path: Path) -> None:
    """Another process reads them."""
    await file.add(kept())
    await file.mark(Mark("s", "p", 5.0))
    await file.close()
    again = LabelFile(tmp_path / "deep" / "labels.db")

    assert await again.load() == ([kept()], [Mark("s", "p", 5.0)])
    await again.close()


async def test_a_mark_is_kept_once(file: LabelFile) -> None:
    """The same complaint again makes it new."""
    for mark in (Mark("s", "p", 1.0), Mark("s", "q", 2.0), Mark("s", "p", 3.0)):
        await file.mark(mark)

    assert await file.load() == ([], [Mark("s", "q", 2.0), Mark("s", "p", 3.0)])


async def test_the_oldest_go(tmp_path: Path) -> None:
    """It does not grow without bound."""
    file = LabelFile(tmp_path / "labels.db", labels=10, marks=10)
    for number in range(SLACK):
        await file.add(kept(at=float(number)))
    labels, _ = await file.load()
    await file.close()
    with sqlite3.connect(tmp_path / "labels.db") as database:
        (rows,) = database.execute("SELECT count(*) FROM labels").fetchone()
    database.close()

    assert rows == 10
    assert [label.at for label in labels] == [float(n) for n in range(SLACK - 10, SLACK)]


async def test_it_is_its_owners_alone(file: LabelFile, tmp_path: Path) -> None:
    """Scores and digests, but still nobody else's business."""
    await file.add(kept())

    assert (tmp_path / "deep" / "labels.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700


async def test_what_is_no_database_is_a_tier_error(tmp_path: Path) -> None:
    """And nothing else is raised."""
    path = tmp_path / "labels.db"
    path.write_bytes(b"no database at all" * 100)
    file = LabelFile(path)
    with pytest.raises(TierError, match=r"^labels: "):
        await file.load()
    with pytest.raises(TierError):
        await file.add(kept())
    await file.close()


async def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    """A program that does not know it says so."""
    path = tmp_path / "labels.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    file = LabelFile(path)
    with pytest.raises(TierError, match="schema 99"):
        await file.load()
    with pytest.raises(TierError, match="schema 99"):
        await file.compared()
    await file.close()


async def test_two_processes_may_share_it(tmp_path: Path) -> None:
    """Each sees at its start what both have written."""
    one, other = (LabelFile(tmp_path / "labels.db") for _ in range(2))
    await one.add(kept("a"))
    await other.add(kept("b"))

    assert await one.load() == ([kept("a"), kept("b")], [])
    await one.close()
    await other.close()


async def test_a_file_that_another_process_writes_to_is_read_at_once(tmp_path: Path) -> None:
    """A start does not wait for it; writing gives up after a moment."""
    path = tmp_path / "labels.db"
    first = LabelFile(path)
    await first.add(kept())
    await first.close()
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    file = LabelFile(path)
    labels, _ = await file.load()
    with pytest.raises(TierError, match="locked"):
        await file.mark(Mark("s", "p", 1.0))
    writer.execute("ROLLBACK")
    writer.close()
    await file.close()

    assert labels == [kept()]
