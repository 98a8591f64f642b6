"""`reprise tune`, as a person runs it."""

import asyncio
import json
from pathlib import Path
from random import Random

import pytest

from proxy.config import Config, load
from proxy.core.labels import Kept, Kind, Sample
from proxy.core.trusting import Lesson
from proxy.parts.inforce import in_force
from tests.cli.test_check import run
from tests.measuring.test_tuning import _write
from tests.support.program import Serving, chat

TEXT = """\
# Ours.
cache:
  judgement:
    labels: {labels}
    max_error: 0.05   # one in twenty
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration that names a record in which all above 0.4 is right."""
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.format(labels=tmp_path / "labels.db"))
    return path


def fill(file: Path, count: int = 1200) -> None:
    random, holds = Random(5), in_force(Config())
    assert holds is not None
    rows = []
    for number in range(count):
        score = 0.2 + 0.8 * random.random()
        kind = Kind.AUDITED if score >= holds.least else Kind.NEAR
        sample = Sample(kind, is_clear=True, share=0.02, similarity=0.75, age=60.0)
        lesson = Lesson(f"e{number}", score, right=score > 0.4)
        rows.append(Kept("t", "", "m", True, lesson, holds.scorer, 0.05, 1e9 + number, sample))  # noqa: FBT003
    _write(file.parent / "labels.db", rows)


def test_a_diff_is_proposed_and_nothing_written(file: Path) -> None:
    """With what it rests on: how many were compared, the bound, the hits to come, and why."""
    fill(file)
    ended = run("tune", "--config", str(file))

    assert (ended.returncode, ended.stderr) == (0, "")
    for said in (
        "hits and ",
        "near misses were compared",
        "cache.judgement.min_probability: more hits, and still at most the target wrong.",
        "cache.ttl.default_s: ",
        "the target is 5.00%",
        f"--- {file}",
        "+    min_probability: 0.3",
        "     max_error: 0.05   # one in twenty",
    ):
        assert said in ended.stdout
    assert file.read_text() == TEXT.format(labels=file.parent / "labels.db")


def test_write_changes_the_file_and_keeps_what_it_was(file: Path) -> None:
    """Its comments stay, its new values hold, and the copy is what was there."""
    fill(file)
    before = file.read_text()
    ended = run("tune", "--config", str(file), "--write", "--json")
    told = json.loads(ended.stdout)
    proposed = told["proposals"][0]["proposed"]

    assert ended.returncode == 0
    assert load(file, {}).cache.judgement.min_probability == proposed
    assert set(before.splitlines()) <= set(file.read_text().splitlines())
    assert Path(told["written"]).read_text() == before
    assert json.loads(run("tune", "--config", str(file), "--json").stdout)["diff"] == ""


def test_without_evidence_nothing_is_proposed(file: Path) -> None:
    """It is said how many comparisons are missing, and how to come by them; nothing is made."""
    ended = run("tune", "--config", str(file), "--write")

    assert ended.returncode == 0
    assert "About 59 more comparisons are needed." in ended.stdout
    assert "set cache.judgement.audit_share" in ended.stdout
    assert ended.stdout.endswith("Nothing to change.\n")
    assert [path.name for path in file.parent.iterdir()] == ["config.yaml"]


def test_what_is_not_in_a_file_cannot_be_written() -> None:
    """The defaults hold then, and there is nothing to change."""
    ended = run("tune", "--write")

    assert ended.returncode == 2
    assert "--config" in ended.stderr


def test_a_value_from_the_environment_is_not_overwritten(file: Path) -> None:
    """It is said where it would have to be changed."""
    fill(file)
    file.write_text(f"{file.read_text()}    min_probability: ${{LEAST:-0.65}}\n")
    ended = run("tune", "--config", str(file))

    assert ended.returncode == 2
    assert "cache.judgement.min_probability: cannot be set" in ended.stderr


def test_a_proxy_that_is_away_costs_its_numbers_only(file: Path) -> None:
    """Proposals rest on the record."""
    fill(file)
    token = {"ADMIN_TOKEN": "operators-token-of-32-characters", "REPRISE_URL": "http://127.0.0.1:9"}
    ended = run("tune", "--config", str(file), **token)

    assert ended.returncode == 0
    assert "Its traffic is not taken into account." in ended.stderr
    assert "+    min_probability: " in ended.stdout


def test_a_record_that_cannot_be_read_ends_it(file: Path) -> None:
    """With its reason and exit code 1."""
    (file.parent / "labels.db").write_bytes(b"no database at all" * 100)
    ended = run("tune", "--config", str(file))

    assert ended.returncode == 1
    assert ended.stderr.startswith("labels: ")


def test_exact_repeats_need_no_tuning(file: Path) -> None:
    """Without an embedder nothing is decided."""
    file.write_text(f"{file.read_text()}embedder: {{ kind: none }}\n")
    ended = run("tune", "--config", str(file))

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "nothing to tune" in ended.stderr


async def test_a_running_proxy_says_how_much_traffic_there_is(serving: Serving, file: Path) -> None:
    """So that a proposal tells the share of lookups that will be answered."""
    fill(file)
    token = "operators-token-of-32-characters"
    async with serving(admin={"token": token}, embedder={"kind": "local"}) as proxy:
        for text in ("What is a cache?", "what is a CACHE", "What is the capital of Peru?"):
            await proxy.post(chat(text))
        arguments = ("tune", "--config", str(file), "--json")
        ended = await asyncio.to_thread(run, *arguments, ADMIN_TOKEN=token, REPRISE_URL=proxy.root)
    told = json.loads(ended.stdout)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert (told["traffic"]["looked"], told["traffic"]["hits"]) == (2, 1)
    assert told["proposals"][0]["hit_rate"]["now"]["estimate"] == 0.5
    assert told["proposals"][0]["hit_rate"]["then"]["estimate"] > 0.5
