"""Tuning a configuration by a record of comparisons, as it is kept in the labels file."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from proxy.config import Config
from proxy.config.editing import with_values
from proxy.core.calibrating import Aim
from proxy.core.labels import Kept, Kind, Sample
from proxy.core.trusting import Lesson
from proxy.measuring.tuning import LIFETIME, Json, Traffic, Tuned, read_record, record_of, report
from proxy.measuring.tuning import tune as tuned
from proxy.parts.inforce import FLOOR, LEAST, THRESHOLD, InForce, in_force
from proxy.tiers.labels import LabelFile

HOLDS = InForce("v+e", LEAST, 0.9, 0.7)
AIM = Aim(0.05)


def kept(score: float = 0.95, *, right: bool = True, at: float = 1000.0, **about: Any) -> Kept:
    given: dict[str, Any] = {
        "kind": Kind.AUDITED if score >= HOLDS.least else Kind.NEAR,
        "is_clear": True,
        "share": 0.02,
        "similarity": 0.9,
        "age": 60.0,
    }
    drawn = about.pop("drawn", True)
    scorer, namespace = about.pop("scorer", HOLDS.scorer), about.pop("namespace", "")
    sample = None if about.get("sample", 1) is None else Sample(**{**given, **about})
    lesson = Lesson(f"e{at}", score, right, drawn=drawn)
    return Kept("t", namespace, "m", True, lesson, scorer, 0.01, at, sample)  # noqa: FBT003


def record(count: int = 1500, *, wrong_from: float = 86_400.0) -> list[Kept]:
    """Scores from 0.5 up, wrong below 0.7; and wrong from some age on."""
    random = Random(7)
    found = []
    for number in range(count):
        score, age = 0.5 + random.random() / 2, random.random() * 86_400
        right = score > 0.7 and not (age > wrong_from and random.random() < 0.5)
        similarity = 0.6 + 0.4 * score
        found.append(
            kept(score, right=right, at=1e9 + 600 * number, age=age, similarity=similarity)
        )
    return found


def config(**judgement: object) -> Config:
    return Config.model_validate({"cache": {"judgement": judgement}})


def tune(rows: Sequence[Kept], traffic: Traffic | None = None, **judgement: object) -> Tuned:
    return tuned(config(**judgement), HOLDS, record_of(rows, HOLDS.scorer), AIM, traffic)


def test_the_record_bears_out_a_looser_least_score() -> None:
    """With more hits, a floor that follows, and no other lifetime."""
    found = tune(record())

    assert set(found.values) == {LEAST, FLOOR}
    assert 0.68 < found.values[LEAST] < 0.75
    assert 0.85 < found.values[FLOOR] < 0.9
    assert found.advice == ""


def test_answers_that_go_wrong_with_age_get_a_shorter_lifetime() -> None:
    """The likeliest age is proposed."""
    assert tune(record(wrong_from=6 * 3600)).values[LIFETIME] == 6 * 3600


def test_entries_with_a_lifetime_of_their_own_say_nothing_of_the_default() -> None:
    """A rule that may have held for them leaves them out."""
    rows = record_of(record(wrong_from=6 * 3600), HOLDS.scorer)
    for rule, expected in (({"model": "m*"}, 0), ({"namespace": "docs"}, 1)):
        ruled = Config.model_validate({"cache": {"ttl": {"rules": [{**rule, "ttl_s": 60}]}}})
        found = tuned(ruled, HOLDS, rows, AIM)
        assert (LIFETIME in found.values) == expected


def test_only_what_speaks_of_this_configuration_counts() -> None:
    """The rest is counted apart, with its reason."""
    rows = [
        kept(),
        kept(drawn=False),
        kept(sample=None),
        kept(scorer="other"),
        kept(is_clear=False),
        kept(0.5),
    ]
    found = record_of(rows, HOLDS.scorer)

    assert [pair.is_near for pair in found.pairs] == [False, True]
    assert found.left_out == dict.fromkeys(
        ("feedback", "of an earlier version", "of another model", "unclear"), 1
    )
    assert (found.first, found.last) == (1000.0, 1000.0)


def test_what_a_proxy_keeps_is_read(tmp_path: Path) -> None:
    """From its file, which a proxy may be writing; without one there is nothing."""
    path = tmp_path / "labels.db"
    chosen = config(labels=str(path))
    assert read_record(chosen, HOLDS.scorer).pairs == ()
    _write(path, [kept(), kept(0.5)])

    assert [pair.score for pair in read_record(chosen, HOLDS.scorer).pairs] == [0.95, 0.5]


def _write(path: Path, rows: Sequence[Kept]) -> None:
    file = LabelFile(path)
    for row in rows:
        file._add(row)
    file._close()


@pytest.mark.parametrize(
    ("rows", "share", "traffic", "said"),
    [
        (0, 0.0, None, "None are made: set cache.judgement.audit_share, to 0.02 for instance"),
        (0, 0.1, None, "One hit in 10 is compared"),
        (20, 0.1, None, "At cache.judgement.audit_share: 0.1 that is 1.95 days."),
        (20, 0.1, Traffic(500, 100, 86_400), "With cache.judgement.audit_share: 0.06 they take"),
        (20, 0.1, Traffic(500, 1, 86_400), "With cache.judgement.audit_share: 0.5 they take"),
        (20, 0.1, Traffic(500, 0, 86_400), "At cache.judgement.audit_share: 0.1"),
    ],
)
def test_it_says_how_much_is_missing(
    rows: int, share: float, traffic: Traffic | None, said: str
) -> None:
    """And which share of hits to audit, so that it is there in about a week."""
    found = tune([kept() for _ in range(rows)], traffic, audit_share=share)

    assert found.values == {}
    assert said in found.advice
    assert found.advice.startswith(f"About {AIM.least_hits - rows} more")


def test_the_report_has_all_of_it() -> None:
    """Counts, ends of intervals, and rates of the traffic there is."""
    found = tune(record(), Traffic(10_000, 2000, 86_400))
    told: Json = report(found, HOLDS, "a diff")
    score = told["proposals"][0]

    assert told["compared"]["hits"] + told["compared"]["near_misses"] == 1500
    assert score["now"]["compared"] == told["by_namespace"][0]["compared"]
    assert score["now"]["low"] <= score["now"]["share"] <= score["now"]["high"]
    assert score["then"]["high"] <= AIM.target
    assert score["hit_rate"]["now"]["estimate"] == 0.2
    assert score["hit_rate"]["now"]["low"] < 0.2 < score["hit_rate"]["now"]["high"]
    assert score["hit_rate"]["then"]["estimate"] == pytest.approx(0.2 * score["hits"]["estimate"])
    assert sum(stretch["compared"] for stretch in told["by_age"]) == score["now"]["compared"]
    assert told["diff"] == "a diff"


def test_a_namespace_that_stands_out_is_told_apart() -> None:
    """The configuration has one setting for all; who is worse shows."""
    rows = [*(kept() for _ in range(50)), *(kept(right=False, namespace="docs") for _ in range(9))]
    told = report(tune(rows), HOLDS, "")["by_namespace"]

    assert [(one["namespace"], one["wrong"], one["compared"]) for one in told] == [
        ("", 0, 50),
        ("docs", 9, 9),
    ]


def test_what_is_in_force() -> None:
    """As the proxy decides: the key that decides, its value or the model's own, and the floor."""
    shipped = in_force(Config())
    chosen = in_force(config(min_probability=0.9))
    alone = in_force(config(verifier="none"))
    asked = in_force(config(verifier="none", llm={"model": "m", "base_url": "http://h:1/v1"}))
    nothing = in_force(Config.model_validate({"embedder": {"kind": "none"}}))

    assert shipped is not None
    assert chosen is not None
    assert alone is not None
    assert asked is not None
    assert (shipped.key, shipped.floor, chosen.least) == (LEAST, 0.7, 0.9)
    assert 0 < shipped.least < 1
    assert (alone.key, alone.least, alone.floor) == (THRESHOLD, 0.88, None)
    assert (asked.key, asked.least) == (LEAST, 1.0)
    assert asked.scorer.startswith("openai:m:h:1/v1+minilm")
    assert nothing is None


def test_proposals_fit_the_configuration_file() -> None:
    """Every key that may be proposed is one that the file may have."""
    text = with_values("", dict.fromkeys((LEAST, FLOOR, THRESHOLD), 0.9) | {LIFETIME: 60})

    assert "min_probability: 0.9" in text
    assert "default_s: 60" in text
