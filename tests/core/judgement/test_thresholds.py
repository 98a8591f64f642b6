"""Shipped calibrations."""

import pytest

from proxy.core.judgement.thresholds import UNKNOWN, calibration


def test_the_local_model_is_known_by_its_name_before_the_digest() -> None:
    """A rebuilt model of the same name keeps its calibration, and it is measured."""
    found = calibration("minilm-l6-v2-int8-58e3cd6e")
    assert (found.threshold, found.is_guess) == (0.88, False)


@pytest.mark.parametrize(
    "embedder",
    ["", "minilm-l6-v2-int8x", "minilm-l6-v2", "openai:text-embedding-3-small:512", "other"],
)
def test_an_unknown_embedder_gets_the_strictest_and_says_it_is_a_guess(embedder: str) -> None:
    """No number is carried over to another model, size or quantisation."""
    assert calibration(embedder) is UNKNOWN
    assert UNKNOWN.is_guess


@pytest.mark.parametrize(
    "embedder",
    [
        "minilm-l6-v2-int8-00",
        "openai:text-embedding-3-small:1536",
        "openai:text-embedding-3-large:3072",
    ],
)
def test_a_known_embedder_is_never_stricter_than_an_unknown_one(embedder: str) -> None:
    """The default is the strictest, and every number says where it comes from."""
    found = calibration(embedder)
    assert 0 < found.threshold < UNKNOWN.threshold
    assert found.source
