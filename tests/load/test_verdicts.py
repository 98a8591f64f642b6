import random

import pytest

from tests.load.verdicts import below, flat, none, quantile, slope, within

SECONDS = [float(second) for second in range(600)]


def test_a_leak_is_told_from_noise() -> None:
    """A slow leak under noise is found, with its size; noise alone is no leak."""
    rng = random.Random(1)
    noise = [rng.gauss(0, 2) for _ in SECONDS]
    leaking = [200 + second / 100 + one for second, one in zip(SECONDS, noise, strict=True)]

    found = slope(SECONDS, leaking)

    assert found.low < 36 < found.high
    assert found.grows
    assert not flat("memory", "MiB", SECONDS, leaking).is_met
    assert flat("memory", "MiB", SECONDS, [200 + one for one in noise]).is_met


def test_a_saw_and_a_spike_are_no_leak() -> None:
    """What is taken and given back again, and again, does not count as growth."""
    saw = [200 + second % 50 / 5 for second in SECONDS]
    spiked = [300.0 if 500 <= second < 505 else 200.0 for second in SECONDS]

    assert flat("memory", "MiB", SECONDS, saw).is_met
    assert flat("memory", "MiB", SECONDS, spiked).is_met


def test_alike_readings_do_not_make_it_sure() -> None:
    """A walk without a drift is seldom called a leak, though its neighbours are nearly equal."""
    called = 0
    for seed in range(100):
        rng, level, walk = random.Random(seed), 200.0, []
        for _ in SECONDS:
            level = 200 + 0.9 * (level - 200) + rng.gauss(0, 1)
            walk.append(level)
        called += slope(SECONDS, walk).grows

    assert called <= 8


def test_too_few_readings_say_nothing() -> None:
    """A run that is too short for a verdict has none."""
    with pytest.raises(ValueError, match="too few"):
        slope(SECONDS[:15], SECONDS[:15])


def test_bars() -> None:
    """A bar is met or missed by what was measured, and a run in which nothing was asked misses."""
    assert below("lag", "ms", 19.9, 20).is_met
    assert not below("lag", "ms", 20.0, 20).is_met
    assert within("entries", [1, 5], 5).is_met
    assert not within("entries", [1, 6], 5).is_met
    assert none("wrong", [], 3).is_met
    assert not none("wrong", [], 0).is_met
    assert not none("wrong", ["this one"], 3).is_met
    assert quantile([float(one) for one in range(1000)], 99) == pytest.approx(990, abs=1)
