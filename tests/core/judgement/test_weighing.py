"""The verifier's word and the similarity, heard together."""

import pytest

from proxy.core.judgement.weighing import CENTRE, weighed


def test_the_nearer_is_believed_more() -> None:
    """The same word of the verifier counts for more where the questions are alike."""
    found = [weighed(0.5, similarity, 20) for similarity in (0.7, CENTRE, 0.9)]

    assert found == sorted(found)
    assert found[1] == pytest.approx(0.5)


@pytest.mark.parametrize("certain", [0.0, 1.0])
@pytest.mark.parametrize("similarity", [-1.0, 0.5, 1.0])
def test_what_is_certain_stays_so(certain: float, similarity: float) -> None:
    """A pair that could not be read is not served, however near; a plain yes is a yes."""
    assert weighed(certain, similarity, 20) == certain


@pytest.mark.parametrize("probability", [1e-300, 1e-9, 0.3, 1 - 1e-16])
def test_no_lean_changes_nothing(probability: float) -> None:
    """Where the embedder's scale is not known, only the verifier is heard."""
    assert weighed(probability, 0.99, 0) == pytest.approx(probability)
    assert 0 <= weighed(probability, -1, 1000) <= 1
