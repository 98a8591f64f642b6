import random
from collections.abc import Iterator
from math import exp, log

import pytest

from proxy.core.trusting import Category, Lesson, Record, Rule

NOBODY: frozenset[Rule] = frozenset()


def learn(category: Category, count: int, *, right: bool = True, entry: str = "e{}") -> None:
    """So many comparisons at a high score, each with what the rules said before it."""
    for number in range(count):
        name = entry.format(number)
        proposed = category.advise(name, 0.99).proposed
        category.learn(Lesson(name, 0.99, right, proposed=proposed))


def test_nothing_known_is_explored() -> None:
    """A category without labels proposes nothing, whatever the score."""
    advice = Category(0.05).advise("e", 1.0)

    assert (advice.proposed, advice.trusted) == (NOBODY, NOBODY)
    assert not advice.serves(draw=1.0, explore_share=0.0)


def test_a_proposal_is_not_yet_trusted() -> None:
    """A curve believes in perfection long before it has proven itself."""
    category = Category(0.05)
    learn(category, 70)
    advice = category.advise("new", 0.99)

    assert advice.proposed == {Rule.POOL}
    assert advice.trusted == NOBODY


def test_a_proven_rule_serves_an_entry_never_seen() -> None:
    """Labels pool across a category: the long tail need not learn entry by entry."""
    category = Category(0.05)
    learn(category, 150)
    advice = category.advise("new", 0.99)

    assert advice.trusted == {Rule.POOL}
    assert category.records[Rule.POOL].count >= 59
    assert category.records[Rule.POOL].bound <= 0.05
    assert advice.serves(draw=0.5, explore_share=0.02)


def test_a_proven_hit_is_explored_now_and_then() -> None:
    """Else the proof would never be renewed."""
    category = Category(0.05)
    learn(category, 150)

    assert not category.advise("new", 0.99).serves(draw=0.01, explore_share=0.02)


def test_without_pooling_the_tail_stays_cold() -> None:
    """An entry's own rule needs six labels of that entry."""
    category = Category(0.05, (Rule.OWN,))
    learn(category, 150)

    assert category.advise("new", 0.99).proposed == NOBODY


def test_an_entry_may_prove_itself() -> None:
    """Where one entry is asked for again and again, its own labels serve it."""
    category = Category(0.05, (Rule.OWN,))
    learn(category, 150, entry="popular")

    assert category.advise("popular", 0.99).trusted == {Rule.OWN}
    assert category.advise("another", 0.99).proposed == NOBODY


def test_the_pool_does_not_speak_for_an_entry_that_was_wrong() -> None:
    """Not at that score or below; above it, it may."""
    category = Category(0.05)
    learn(category, 400)
    category.learn(Lesson("bad", 0.99, right=False))

    assert Rule.POOL not in category.advise("bad", 0.99).proposed
    assert Rule.POOL not in category.advise("bad", 0.95).proposed
    assert Rule.POOL in category.advise("bad", 0.9995).proposed
    assert Rule.POOL in category.advise("good", 0.99).proposed


def test_trust_is_lost_when_answers_go_wrong() -> None:
    """A record that no longer keeps the bound serves nothing."""
    category = Category(0.05)
    learn(category, 150)
    assert category.advise("new", 0.99).trusted
    for number in range(20):
        category.learn(Lesson(f"w{number}", 0.99, right=False, proposed=frozenset({Rule.POOL})))

    assert category.advise("new", 0.99).trusted == NOBODY


def test_a_changed_world_is_forgotten() -> None:
    """What went wrong long ago does not count for ever."""
    category = Category(0.05)
    learn(category, 100, right=False)
    learn(category, 4000)

    assert category.advise("new", 0.99).trusted == {Rule.POOL}


def test_feedback_bends_curves_and_enters_no_record() -> None:
    """People do not report at random: what they say is no share."""
    category = Category(0.05)
    learn(category, 150)
    before = category.records[Rule.POOL].count
    told = Lesson("x", 0.99, right=False, drawn=False, proposed=frozenset({Rule.POOL}))
    category.learn(told)

    assert category.records[Rule.POOL].count == before
    assert Rule.POOL not in category.advise("x", 0.99).proposed


Request = tuple[str, float, bool]


def requests(
    seed: int, *, lapse: float = 0.0, bad: float = 0.0, count: int = 3000
) -> Iterator[Request]:
    """Requests for a thousand entries, a few of them popular.

    Args:
        seed: Of the draws.
        lapse: Share of wrong answers that no score betrays.
        bad: Share of entries that are wrong at nearly every score.
        count: How many.
    """
    draws = random.Random(seed)
    entries = list(range(1000))
    weights = [1 / (1 + number) ** 0.8 for number in entries]
    shifts = [-6.0 if draws.random() < bad else 0.5 for _ in entries]
    for entry in draws.choices(entries, weights, k=count):
        odds = draws.gauss(5, 1.5)
        likely = (1 - lapse) / (1 + exp(-(odds + shifts[entry])))
        yield str(entry), 1 / (1 + exp(-max(odds, log(1.1)))), draws.random() < likely


def served(max_error: float, stream: Iterator[Request], seed: int) -> tuple[int, int]:
    """(hits, of which wrong) of a category that serves what it trusts."""
    category, draws = Category(max_error), random.Random(seed)
    hits = wrong = 0
    for entry, score, right in stream:
        advice = category.advise(entry, score)
        if advice.serves(draws.random(), explore_share=0.02):
            hits, wrong = hits + 1, wrong + (not right)
        else:
            category.learn(Lesson(entry, score, right, proposed=advice.proposed))
    return hits, wrong


@pytest.mark.parametrize("max_error", [0.02, 0.05])
@pytest.mark.parametrize(("lapse", "bad"), [(0.0, 0.0), (0.01, 0.0), (0.04, 0.0), (0.0, 0.1)])
def test_the_bound_holds_per_hit(lapse: float, bad: float, max_error: float) -> None:
    """Also where the curve has the wrong shape: a share of answers is wrong at every score."""
    total_hits = total_wrong = 0
    for seed in range(3):
        hits, wrong = served(max_error, requests(seed, lapse=lapse, bad=bad), seed)
        total_hits, total_wrong = total_hits + hits, total_wrong + wrong

    assert total_wrong <= max_error * total_hits


def test_good_neighbours_are_served_once_proven() -> None:
    """The bound is not kept by serving nothing."""
    hits, _ = served(0.05, requests(1), 1)

    assert hits > 1800


def test_the_smallest_bound_can_be_proven() -> None:
    """2995 right proposals prove 0.1 %: a record holds as many, and room for one that is wrong."""
    record = Record(0.001)
    for _ in range(2995):
        record.add(right=True)
    assert record.allows(0.001)

    record.add(right=False)
    assert not record.allows(0.001)
    for _ in range(2900):
        record.add(right=True)
    assert record.allows(0.001)
