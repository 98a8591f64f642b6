"""Confidence bounds on a share."""

import math

import pytest

from proxy.core.binomial import Bound, is_certain, least_hits, lower, upper


@pytest.mark.parametrize(
    ("wrong", "hits", "confidence", "known"),
    [
        (0, 299, 0.95, 1 - 0.05 ** (1 / 299)),
        (0, 10, 0.95, 1 - 0.05**0.1),
        (9, 10, 0.95, 0.95 ** (1 / 10)),
        (1, 10, 0.95, 0.39416),
        (5, 100, 0.975, 0.11283),
        (20, 400, 0.95, 0.07183),
        (200, 400, 0.95, 0.54227),
    ],
)
def test_clopper_pearson(wrong: int, hits: int, confidence: float, known: float) -> None:
    """The exact bound is the one of the tables, at both ends in closed form."""
    assert upper(wrong, hits, confidence) == pytest.approx(known, abs=1e-5)


@pytest.mark.parametrize(
    ("wrong", "hits", "known"), [(0, 10, 0.21295), (1, 10, 0.34772), (20, 400, 0.07114)]
)
def test_wilson(wrong: int, hits: int, known: float) -> None:
    """Wilson's bound is his formula's."""
    assert upper(wrong, hits, 0.95, Bound.WILSON) == pytest.approx(known, abs=1e-5)


def test_lower() -> None:
    """The lower bound mirrors the upper one, and knows nothing of no hits."""
    assert lower(5, 100, 0.975) == pytest.approx(0.01643, abs=1e-5)
    assert (lower(0, 100, 0.95), lower(0, 0, 0.95)) == (0, 0)
    assert lower(10, 10, 0.95) == pytest.approx(0.05**0.1)


def test_ends() -> None:
    """Nothing counted, or nothing right: any share may be behind it."""
    assert (upper(0, 0, 0.95), upper(7, 7, 0.95), upper(1, 1, 0.95, Bound.WILSON)) == (1, 1, 1)


@pytest.mark.parametrize("bound", list(Bound))
def test_more_is_known_from_more_hits(bound: Bound) -> None:
    """The bound falls towards the share as hits grow, and is never below it."""
    found = [upper(size // 20, size, 0.95, bound) for size in (20, 100, 1000, 10_000, 1_000_000)]

    assert found == sorted(found, reverse=True)
    assert all(share > 0.05 for share in found)
    assert found[-1] == pytest.approx(0.05, abs=0.001)


@pytest.mark.parametrize("share", [0.02, 0.3])
@pytest.mark.parametrize("hits", [30, 150])
def test_keeps_its_promise(share: float, hits: int) -> None:
    """The exact bound is below the true share for at most one sample in twenty."""
    broken = sum(
        math.comb(hits, wrong) * share**wrong * (1 - share) ** (hits - wrong)
        for wrong in range(hits + 1)
        if upper(wrong, hits, 0.95) < share
    )

    assert broken <= 0.05


@pytest.mark.parametrize("bound", list(Bound))
def test_is_certain(bound: Bound) -> None:
    """To ask whether a target is met is to ask whether the bound is at most the target."""
    counts = [(wrong, hits) for hits in (0, 1, 50, 268, 299, 700) for wrong in (0, 1, 5, hits)]

    for wrong, hits in counts:
        asked = is_certain(wrong, hits, 0.02, 0.95, bound)
        assert asked == (upper(wrong, hits, 0.95, bound) <= 0.02)


@pytest.mark.parametrize("bound", list(Bound))
@pytest.mark.parametrize(("target", "confidence"), [(0.01, 0.95), (0.001, 0.99), (0.5, 0.5)])
def test_least_hits(bound: Bound, target: float, confidence: float) -> None:
    """One hit fewer, all right, would not show the target; 1 % at 95 % takes 299."""
    least = least_hits(target, confidence, bound)

    assert is_certain(0, least, target, confidence, bound)
    assert not is_certain(0, least - 1, target, confidence, bound)
    assert least_hits(0.01, 0.95) == 299
