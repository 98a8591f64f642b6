"""No parser is at a loss: what it cannot use, it refuses as documented."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import CORPUS, Target
from tests.fuzz.targets import BY_NAME, TARGETS

EDITS = 4


@st.composite
def edited(draw: st.DrawFn, target: Target) -> bytes:
    """Something of the corpus, with a few places cut out, repeated or written over."""
    data = draw(st.sampled_from(target.corpus()))[: target.longest]
    for _ in range(draw(st.integers(0, EDITS))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 16)))
        bits = st.binary(max_size=4) | st.sampled_from((data[start:end] * 2, *target.tokens))
        data = data[:start] + draw(bits) + data[end:]
    return data


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_nothing_breaks_a_parser(target: Target) -> None:
    """All that is kept, findings among it, and inputs like it: read as it should be, or refused."""
    for data in target.corpus():
        target.try_(data)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
    @given(edited(target))
    def others(data: bytes) -> None:
        target.try_(data)

    others()


def test_every_folder_is_a_parsers() -> None:
    """What is kept is tried: no folder of the corpus is without its target."""
    assert {path.name for path in CORPUS.iterdir()} == set(BY_NAME)
