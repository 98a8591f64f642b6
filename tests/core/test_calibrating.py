"""Thresholds fitted to labelled pairs."""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from proxy.core.calibrating import (
    SIMILARITIES,
    Aim,
    Count,
    Failure,
    Scored,
    Setting,
    fit_threshold,
    fit_zone,
    grouped,
    held_out,
    table,
)

EASY = Aim(target=0.2, confidence=0.8)
"""Shown by eight hits without a wrong one, or by more with some."""


def row(
    similarity: float | None,
    *,
    good: bool = True,
    probability: float | None = None,
    veto: bool = False,
    question: str = "",
) -> Scored:
    return Scored(question, "set", "", good, similarity, veto, probability)


def rows(*similarities: float, good: bool = True) -> list[Scored]:
    return [row(similarity, good=good) for similarity in similarities]


def verified(pairs: Iterable[tuple[float, float]], *, good: bool = True) -> list[Scored]:
    return [row(similarity, good=good, probability=sure) for similarity, sure in pairs]


def test_the_lowest_threshold_that_meets_the_aim() -> None:
    """Just above the traps, where there are enough good ones; no stricter than that."""
    pairs = rows(*[0.9] * 10, *[0.8] * 10) + rows(*[0.795] * 9, 0.7, good=False)

    assert fit_threshold(pairs, EASY) == Setting(0.8)


def test_some_wrong_hits_may_be_served() -> None:
    """It is the share that counts, with its bound: three wrong of forty are few enough."""
    pairs = rows(*[0.9] * 37) + rows(0.9, 0.9, 0.9, good=False)

    assert fit_threshold(pairs, EASY) == Setting(SIMILARITIES[0])
    assert Setting(0.5).count(pairs) == Count(good=37, hits=40, wrong=3)


def test_the_bound_decides_and_not_the_share() -> None:
    """Seven hits without a wrong one prove less than the aim asks."""
    assert isinstance(fit_threshold(rows(*[0.9] * 7), EASY), Failure)
    assert isinstance(fit_threshold(rows(*[0.9] * 8), EASY), Setting)


def test_vetoed_and_uncompared_pairs_are_never_served() -> None:
    """What a guard stops is no wrong hit, and what has no vector is no hit; both count as good."""
    pairs = rows(*[0.9] * 8)
    pairs += [row(0.99, good=False, veto=True)] * 20
    pairs += [row(None), row(None, good=False)]

    assert fit_threshold(pairs, EASY) == Setting(0.5)
    assert Setting(0.5).count(pairs) == Count(good=9, hits=8, wrong=0)
    assert not any(Setting(0.0).serves(pair) for pair in pairs[8:])


def test_too_few_rows_say_how_many_are_needed() -> None:
    """Nobody has to guess how much more to label."""
    found = fit_threshold(rows(*[0.9] * 100), Aim(0.01))

    assert isinstance(found, Failure)
    assert found.reason.startswith("too few rows: 299 hits")
    assert "at most 100 are served" in found.reason


def test_too_many_wrong_say_what_was_best() -> None:
    """A set that no threshold separates says so, and how far off it is."""
    found = fit_threshold(rows(*[0.9] * 20) + rows(*[0.9] * 20, good=False), EASY)

    assert isinstance(found, Failure)
    assert found.reason.startswith("not met: the lowest bound is 57.8")
    assert "20 wrong of 40 hits" in found.reason


def test_zone_asks_no_lower_than_it_pays() -> None:
    """The floor keeps nearly all right answers; the verifier need not see what is below."""
    good = verified([(0.95, 0.9)] * 198 + [(0.55, 0.9)])
    traps = verified([(0.95, 0.3)] * 20, good=False)

    assert fit_zone(good + traps, EASY) == Setting(0.95, 0.05)
    assert fit_zone(good + traps, Aim(0.02)) == Setting(0.95, 0.31)


def test_zone_keeps_far_pairs_that_are_many() -> None:
    """A floor that would lose more than one right answer in a hundred is too high."""
    good = verified([(0.95, 0.9)] * 90 + [(0.55, 0.9)] * 10)

    assert fit_zone(good, EASY) == Setting(0.55, 0.05)


def test_zone_serves_only_what_was_verified() -> None:
    """A pair that the verifier did not see is not served, however similar."""
    zone = Setting(0.7, 0.5)

    assert zone.serves(row(0.7, probability=0.5))
    assert not zone.serves(row(0.99))
    assert not zone.serves(row(0.69, probability=0.9))
    assert not zone.serves(row(0.99, probability=0.9, veto=True))


def test_zone_that_fails_says_why() -> None:
    """The reason names the probability that came nearest."""
    found = fit_zone(verified([(0.9, 0.9)] * 50, good=False), EASY)

    assert isinstance(found, Failure)
    assert "not met" in found.reason


def test_held_out_counts_what_the_fit_has_not_seen() -> None:
    """Each half is counted by the fit of the other, so every pair once, and in every run alike."""
    pairs = [
        row(0.6 + 0.4 * number / 400, good=number % 40 != 0, question=f"q{number}")
        for number in range(400)
    ]
    found = held_out(pairs, EASY, fit_threshold)

    assert found.count == Count(good=390, hits=400, wrong=10)
    assert found == held_out(list(reversed(pairs)), EASY, fit_threshold)


def test_held_out_never_parts_a_question() -> None:
    """Pairs of one cached question are in one half, or a half would know the other's answers."""
    pairs = [row(0.9, question="the same")] * 50
    found = held_out(pairs, EASY, fit_threshold)

    assert [isinstance(fit, Setting) for fit in found.fits].count(True) == 1
    assert found.count.hits == 0


def test_a_fit_holds_on_fresh_pairs() -> None:
    """With a score that means something, the target is kept on pairs from the same source."""
    draw = random.Random(4)

    def world(size: int) -> list[Scored]:
        scores = [draw.uniform(0.5, 1) for _ in range(size)]
        return [row(score, good=draw.random() > 1.2 * (1 - score) ** 2) for score in scores]

    fits = [fit_threshold(world(2000), Aim(0.02)) for _ in range(20)]
    fresh = world(20_000)
    kept = [fit.count(fresh) for fit in fits if isinstance(fit, Setting)]

    assert len(kept) == 20
    assert sum(count.wrong > 0.02 * count.hits for count in kept) <= 2


def test_report() -> None:
    """Shares are of good pairs and of hits, and None where there is nothing to divide by."""
    assert Count(good=10, hits=5, wrong=1).report(EASY) == {
        "hits": 5,
        "wrong": 1,
        "served_share": 0.4,
        "precision": 0.8,
        "wrong_share": 0.2,
        "bound": pytest.approx(0.490, abs=0.001),
    }
    assert Count(0, 0, 0).report(EASY) == {
        "hits": 0,
        "wrong": 0,
        "served_share": None,
        "precision": None,
        "wrong_share": None,
        "bound": 1,
    }
    assert Count(10, 5, 1).summary(EASY) == (
        "1 wrong of 5 hits, bound 49.02%; 40.0% of 10 good pairs served"
    )


def test_table_leaves_out_what_changes_nothing() -> None:
    """Settings that serve the same as the one before tell nothing new."""
    settings = [Setting(0.5), Setting(0.6), Setting(0.7), Setting(0.8)]
    found = table(rows(0.9, 0.65), settings)

    assert [(setting.similarity, count.hits) for setting, count in found] == [(0.5, 2), (0.7, 1)]


def test_grouped() -> None:
    """Groups come in order, and a row without a category is in none."""
    pairs = [replace(row(0.9), category=name) for name in ("b", "", "a", "b")]

    assert {name: len(group) for name, group in grouped(pairs, lambda r: r.category).items()} == {
        "a": 1,
        "b": 2,
    }
