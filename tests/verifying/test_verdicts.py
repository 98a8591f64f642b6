"""Verdicts in a file."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from proxy.errors import TierError
from proxy.measuring.evaluation import Kind, read_set
from proxy.verifying.verdicts import VerdictFile, pair_id


async def test_lines_are_labelled_pairs(tmp_path: Path) -> None:
    """Each verdict is a row that `reprise eval pairs` and the training read."""
    path = tmp_path / "new" / "verdicts.jsonl"
    file = VerdictFile(path, "openai:m:host/v1")
    await file.append("Why, then?", "Warum?\n", is_same=True)
    await file.append("When?", "Why?", is_same=False)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    sample = read_set(path, Kind.PAIRS)

    assert first == {
        "id": pair_id("Warum?\n", "Why, then?"),
        "a": "Warum?\n",
        "b": "Why, then?",
        "label": 1,
        "source": "openai:m:host/v1",
    }
    assert (second["a"], second["b"], second["label"]) == ("Why?", "When?", 0)
    assert [case.good for case in sample.cases] == [True, False]


async def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    """It holds questions in clear."""
    path = tmp_path / "verdicts.jsonl"
    await VerdictFile(path, "s").append("a", "b", is_same=True)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_many_at_once_and_after_a_restart(tmp_path: Path) -> None:
    """Lines are whole and none is lost, whoever else writes."""
    path = tmp_path / "verdicts.jsonl"
    files = [VerdictFile(path, f"s{number}") for number in range(3)]
    await asyncio.gather(
        *(file.append("x" * 3000, f"{n}", is_same=True) for file in files for n in range(20))
    )
    rows = [json.loads(line) for line in path.read_text().splitlines()]

    assert sorted((row["source"], int(row["a"])) for row in rows) == [
        (f"s{number}", n) for number in range(3) for n in range(20)
    ]


async def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """It is a tier error that names the file."""
    (tmp_path / "file").write_text("")
    file = VerdictFile(tmp_path / "file" / "verdicts.jsonl", "s")
    with pytest.raises(TierError, match=r"verdicts\.jsonl"):
        await file.append("a", "b", is_same=True)


def test_ids_have_no_direction() -> None:
    """A pair is one pair, whichever question came first, and no other pair is it."""
    assert pair_id("a", "b") == pair_id("b", "a")
    assert pair_id("a", "b") != pair_id("ab", "")
