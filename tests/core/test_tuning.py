"""What a record of comparisons bears out, in worlds whose truth is known."""

from collections.abc import Callable
from dataclasses import replace
from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.ageing import AGES, by_age, tune_lifetime
from proxy.core.calibrating import PROBABILITIES, Aim
from proxy.core.tuning import (
    LOST,
    Compared,
    evidence,
    more_needed,
    thinned,
    tune_floor,
    tune_least,
)

KEY = "cache.judgement.min_probability"
AIM = Aim(0.05)
WORLDS = 200


def pair(score: float, *, right: bool = True, **more: float | bool) -> Compared:
    return Compared(score, right, **{"share": 1.0, "lot": 0.5, **more})  # type: ignore[arg-type]


def drawn(
    random: Random, count: int, true: Callable[[float], float], current: float
) -> list[Compared]:
    """Neighbours whose scores crowd at 1, each wrong with the chance that its score has."""
    found = []
    for _ in range(count):
        score = 1 - random.random() ** 2 * 0.8
        right = random.random() >= true(score)
        found.append(Compared(score, right, 1.0, 0.5, score, 0.0, score < current))
    return found


def risk(true: Callable[[float], float], least: float) -> float:
    """The true share of wrong ones among all that this least score serves."""
    scores = [1 - (place / 4000) ** 2 * 0.8 for place in range(4000)]
    served = [true(score) for score in scores if score >= least]
    return sum(served) / len(served)


def steep(score: float) -> float:
    return 1 / (1 + exp(25 * (score - 0.7)))


def gentle(score: float) -> float:
    return 0.35 * (1 - score)


def flat(_: float) -> float:
    return 0.055


def bumpy(score: float) -> float:
    return 0.3 if 0.8 < score < 0.83 else 0.02


@pytest.mark.parametrize("true", [steep, gentle, flat, bumpy])
@pytest.mark.parametrize("current", [0.55, 0.9])
def test_a_proposal_breaks_the_target_as_seldom_as_stated(
    true: Callable[[float], float], current: float
) -> None:
    """In one record of twenty at most, wherever the walk begins and whatever the curve's shape."""
    random, broken = Random(f"{true.__name__}{current}"), 0
    for _ in range(WORLDS):
        found = tune_least(KEY, drawn(random, 600, true, current), current, PROBABILITIES, AIM)
        if found.proposed is not None:
            broken += risk(true, found.proposed) > AIM.target

    # 1 - confidence of the worlds, and three standard deviations of so many.
    assert broken <= WORLDS * 0.05 + 3 * (WORLDS * 0.05 * 0.95) ** 0.5


def test_what_is_too_strict_is_loosened() -> None:
    """To about where the truth ends, with most of the hits that are to be had."""
    found = [
        tune_least(KEY, drawn(Random(seed), 3000, steep, 0.97), 0.97, PROBABILITIES, AIM)
        for seed in range(20)
    ]
    proposed = [one.proposed for one in found if one.proposed is not None]

    assert len(proposed) == 20
    assert all(0.02 < risk(steep, least) < AIM.target * 1.1 for least in proposed)
    assert all(one.hits is not None and one.hits.low > 1.3 for one in found)
    assert all(one.then is not None and one.then.high <= AIM.target for one in found)


def test_what_is_too_loose_is_tightened() -> None:
    """To where it is shown to hold; how many hits that costs is said, and is so."""
    found = tune_least(KEY, drawn(Random(1), 3000, gentle, 0.3), 0.3, PROBABILITIES, AIM)

    assert found.proposed is not None
    assert found.proposed > 0.6
    assert found.hits is not None
    assert found.hits.low <= found.hits.estimate <= found.hits.high < 1
    assert found.then is not None
    assert found.then.compared == round(found.hits.estimate * found.now.compared)


def test_without_near_misses_nothing_is_loosened() -> None:
    """Nothing is known of what is not served."""
    pairs = [pair(0.9 + number / 10_000) for number in range(900)]
    found = tune_least(KEY, pairs, 0.9, PROBABILITIES, AIM)

    assert (found.proposed, found.reason) == (None, "the value in force is shown to hold")


def test_it_is_loosened_no_further_than_something_was_compared() -> None:
    """A lower value would serve what nobody has looked at."""
    pairs = [pair(0.95) for _ in range(400)] + [pair(0.8, is_near=True) for _ in range(100)]
    found = tune_least(KEY, pairs, 0.9, PROBABILITIES, AIM)

    assert found.proposed == 0.8
    assert found.hits is not None
    assert found.hits.estimate == 1.25


def test_too_little_is_said_to_be_too_little() -> None:
    """With how much is missing: so much more of the same would show it."""
    pairs = [pair(0.95) for _ in range(40)]
    found = tune_least(KEY, pairs, 0.9, PROBABILITIES, AIM)

    assert (found.proposed, found.reason) == (None, "not enough is compared yet")
    assert found.missing == AIM.least_hits - 40 == 19


def test_nothing_compared() -> None:
    """Is no evidence, and no error."""
    found = tune_least(KEY, [], 0.9, PROBABILITIES, AIM)

    assert (found.proposed, found.missing, found.now.share) == (None, AIM.least_hits, None)
    assert tune_floor(KEY, [], 0.7, 0.9, [0.8], 0.95).proposed is None
    assert tune_lifetime(KEY, [], 86_400, AIM).reason == "nothing that is served is compared yet"


def test_what_is_bad_everywhere_is_said_to_be() -> None:
    """No value helps, and no number of comparisons would."""
    pairs = [pair(0.95, right=number % 3 > 0) for number in range(600)]
    found = tune_least(KEY, pairs, 0.9, PROBABILITIES, AIM)

    assert found.proposed is None
    assert "no other value is shown to hold" in found.reason
    assert found.missing == 0


@given(wrong=st.integers(0, 30), compared=st.integers(0, 3000))
def test_what_is_missing_would_do(wrong: int, compared: int) -> None:
    """So many more, wrong as often as those so far, show it; unless none would."""
    wrong = min(wrong, compared)
    missing = more_needed(wrong, compared, AIM)
    if missing is None:
        assert compared
        assert wrong / compared > AIM.target * 0.9
    else:
        total = compared + missing
        assert AIM.is_met(round(wrong / compared * total) if compared else 0, total)


# Thinning


def test_thinning_leaves_as_many_of_each() -> None:
    """Hits that were all compared count no more than near misses of which one in fifty was."""
    random = Random(3)
    hits = [pair(0.95, lot=random.random()) for _ in range(5000)]
    near = [pair(0.7, share=0.02, lot=random.random(), is_near=True) for _ in range(100)]
    left = thinned([*hits, *near])

    assert sum(one.is_near for one in left) == 100
    assert 70 <= sum(not one.is_near for one in left) <= 130
    assert {one.share for one in left} == {0.02}


def cliff(score: float) -> float:
    return 0.02 if score >= 0.9 else 0.12


def test_a_proposal_holds_where_hits_are_compared_more_often_than_near_misses() -> None:
    """Every hit is, and one near miss in twenty: taken as they come, they would mislead."""
    random, broken, misled = Random(17), 0, 0
    for _ in range(30):
        pairs = [
            replace(one, share=0.05 if one.is_near else 1.0, lot=random.random())
            for one in drawn(random, 5000, cliff, 0.9)
            if not one.is_near or random.random() < 0.05
        ]
        for is_thinned in (True, False):
            told = thinned(pairs) if is_thinned else pairs
            found = tune_least(KEY, told, 0.9, PROBABILITIES, AIM).proposed
            is_broken = found is not None and risk(cliff, found) > AIM.target
            broken += is_broken and is_thinned
            misled += is_broken and not is_thinned

    assert broken <= 30 * 0.05 + 3 * (30 * 0.05 * 0.95) ** 0.5
    assert misled > 15


@given(st.lists(st.tuples(st.floats(0.001, 1), st.floats(0, 1, exclude_max=True))))
def test_thinning_is_the_same_every_time(drawn_so: list[tuple[float, float]]) -> None:
    """It takes no draw of its own; what is left has one share, and is left again."""
    pairs = [pair(0.5, share=share, lot=lot) for share, lot in drawn_so]
    left = thinned(pairs)

    assert thinned(left) == left
    assert len({one.share for one in left}) <= 1


# The floor


def test_a_floor_that_spares_the_verifier_loses_few_right_hits() -> None:
    """At most one in a hundred, in one record of twenty at most."""
    broken, found = 0, []
    for seed in range(60):
        random = Random(seed)
        pairs = [similar(random, is_right=random.random() < 0.6) for _ in range(1200)]
        floor = tune_floor(KEY, pairs, 0.5, 0.9, [step / 200 for step in range(100, 201)], 0.95)
        if floor.proposed is not None:
            found.append(floor)
            others = [similar(random, is_right=True).similarity or 0 for _ in range(2000)]
            lost = sum(similarity < floor.proposed for similarity in others) / 2000
            broken += lost > LOST * 1.1  # the truth is drawn, too

    assert len(found) > 30
    assert broken <= 60 * 0.05 + 3 * (60 * 0.05 * 0.95) ** 0.5
    assert all(one.hits is not None and 0.95 < one.hits.low <= 1 for one in found)


def similar(random: Random, *, is_right: bool) -> Compared:
    place = random.betavariate(6, 2) if is_right else random.betavariate(3, 4)
    score = 0.95 if is_right else 0.1
    return pair(score, right=is_right, is_near=not is_right, similarity=0.5 + place / 2)


# Lifetimes


def aged(random: Random, count: int, wrong_from: float, ttl: float = 86_400) -> list[Compared]:
    """Hits of all ages up to the lifetime, more often wrong from some age on."""
    found = []
    for _ in range(count):
        age = random.random() * ttl
        wrong = 0.3 if age > wrong_from else 0.01
        found.append(pair(0.95, right=random.random() >= wrong, age=age))
    return found


def test_a_lifetime_ends_where_answers_go_wrong() -> None:
    """It is found to the next age that people write, and what it costs and gains is said."""
    found = [tune_lifetime(KEY, aged(Random(s), 600, 6 * 3600), 86_400, AIM) for s in range(40)]

    assert sum(one.proposed == 6 * 3600 for one in found) >= 36
    first = found[0]
    assert first.hits is not None
    assert first.hits.low < 0.25 < first.hits.high
    assert first.then is not None
    assert first.then.high < first.now.low


def test_a_lifetime_is_left_where_age_says_nothing() -> None:
    """Many ages are tried, and still one world in twenty at most is led astray."""
    random = Random(11)
    worlds = [
        [
            pair(0.95, right=random.random() >= 0.06, age=random.random() * 86_400)
            for _ in range(400)
        ]
        for _ in range(WORLDS)
    ]
    led = sum(tune_lifetime(KEY, world, 86_400, AIM).proposed is not None for world in worlds)

    assert led <= WORLDS * 0.05


def test_a_longer_lifetime_is_a_remark() -> None:
    """Never a proposal: nothing older was compared."""
    found = tune_lifetime(KEY, [pair(0.9, age=80_000.0) for _ in range(100)], 86_400, AIM)

    assert found.proposed is None
    assert "a longer one may do" in found.reason


def test_ages_are_shown_by_stretch() -> None:
    """Each pair once."""
    pairs = [pair(0.9, age=float(age), right=age < 1000) for age in (1, 400, 5000, 10**8)]

    assert [(start, wrong, of) for start, _, wrong, of in by_age(pairs, 0.95)] == [
        (0, 0, 1),
        (AGES[0], 0, 1),
        (AGES[3], 1, 1),
        (AGES[-1], 1, 1),
    ]


@given(st.lists(st.booleans(), max_size=60))
def test_evidence_lies_within_its_ends(right: list[bool]) -> None:
    """The share counted is between them."""
    told = evidence([pair(0.9, right=one) for one in right], 0.95)

    assert 0 <= told.low <= told.high <= 1
    if told.share is not None:
        assert told.low <= told.share <= told.high
