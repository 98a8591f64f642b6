import random
from math import exp, log

import pytest

from proxy.core.learning import Label, assurance, exploration, fit, place


def logit(score: float) -> float:
    return log(score / (1 - score))


def sampled(count: int, slope: float, middle: float, seed: int = 1) -> list[Label]:
    """Labels drawn from a curve over places, at scores from 0.05 to 0.9995."""
    draws = random.Random(seed)
    labels = []
    for _ in range(count):
        score = 1 / (1 + exp(-draws.uniform(logit(0.05), logit(0.9995))))
        likely = 1 / (1 + exp(-slope * (place(score) - middle)))
        labels.append(Label(score, draws.random() < likely))
    return labels


@pytest.mark.parametrize(
    ("score", "where"),
    [(-0.2, 0), (0, 0), (1e-9, 0), (0.5, 0.5), (0.99, 0.749), (0.9999, 1), (1, 1), (1.2, 1)],
)
def test_places_are_laid_out_by_odds(score: float, where: float) -> None:
    """0.98 and 0.999 stand as far apart as their odds do; what is beyond telling is an end."""
    assert place(score) == pytest.approx(where, abs=0.001)


def test_a_curve_is_found_again() -> None:
    """Two thousand labels drawn from a curve give that curve back."""
    curve = fit(sampled(2000, slope=20, middle=0.6))

    assert curve.slope == pytest.approx(20, rel=0.15)
    assert curve.middle == pytest.approx(0.6, abs=0.02)
    assert curve.variance < 0.001


def test_more_labels_assure_more() -> None:
    """The same score is worth more the more is known, and never more than the curve itself."""
    few, many = (assurance(fit(sampled(n, 20, 0.6)), 0.99) for n in (30, 2000))

    assert few < many < 1 / (1 + exp(-20 * (place(0.99) - 0.6))) + 0.02


def test_a_higher_score_is_never_worth_less() -> None:
    """Along the scores the assurance rises."""
    curve = fit(sampled(200, 20, 0.6))
    worth = [assurance(curve, step / 100) for step in range(101)]

    assert worth == sorted(worth)


def test_a_few_right_labels_assure_little() -> None:
    """Six that are all right leave the middle open; with more of them it settles."""
    worth = [assurance(fit([Label(0.97, right=True)] * count), 0.97) for count in (6, 12, 31, 100)]

    assert worth[0] < 0.95
    assert worth == sorted(worth)
    assert worth[-1] > 0.99


def test_one_wrong_label_at_the_score_takes_the_assurance() -> None:
    """What was wrong once where it now stands is not served on faith."""
    right = [Label(0.97, right=True)] * 31

    assert assurance(fit([*right, Label(0.97, right=False)]), 0.97) < assurance(fit(right), 0.97)
    assert assurance(fit([*right, Label(0.97, right=False)]), 0.97) < 0.99


def test_labels_that_contradict_the_score_assure_nothing() -> None:
    """Where high scores are wrong and low ones right, no score is trusted."""
    labels = [Label(0.6, right=True), Label(0.99, right=False)] * 20

    assert assurance(fit(labels), 0.99) < 0.7


def test_no_label_assures_nothing() -> None:
    """A curve that rests on nothing but the two ends promises little short of the top."""
    assert assurance(fit([]), 0.95) < 0.9


@pytest.mark.parametrize(
    ("assured", "share"), [(0.0, 0.99), (0.5, 0.98), (0.98, 0.5), (0.99, 0.0), (1.0, 0.0)]
)
def test_exploring_bounds_wrong_answers_per_request(assured: float, share: float) -> None:
    """Of what is not explored, `1 - assured` may be wrong: together at most 1 %."""
    assert exploration(assured, 0.01) == pytest.approx(share)
    assert (1 - exploration(assured, 0.01)) * (1 - assured) <= 0.01 + 1e-12
