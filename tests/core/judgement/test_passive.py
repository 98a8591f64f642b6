"""The passive voice."""

import pytest

from proxy.core.judgement.passive import Passive, acts, passive
from proxy.core.judgement.reading import read
from proxy.core.judgement.stems import stem


def found(text: str) -> Passive | None:
    reading = read(text)
    return passive(reading.words, frozenset(reading.content))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Was Bob seen by Ann?", ("bob", "see", "ann")),
        ("Bob was quickly helped by Ann", ("bob", "help", "ann")),
        ("Is milk spilt by the cat?", None),
        ("Films close by", None),
        ("Is it done by clicking here?", None),
        ("Ann used to be helped", None),
    ],
)
def test_who_acts_and_who_is_acted_upon(text: str, expected: tuple[str, str, str] | None) -> None:
    """A form of be, a participle and `by` somebody: all three, or nothing is claimed."""
    assert found(text) == (Passive(*map(stem, expected)) if expected else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The gate is locked", {"locked"}),
        ("Is it often left open?", {"left"}),
        ("There are many women", set()),
        ("Is it red?", set()),
        ("Ann is used to it", set()),
        ("Soap is used for washing", {"used"}),
    ],
)
def test_what_is_done(text: str, expected: set[str]) -> None:
    """Only participles count; a plural or a colour is none."""
    assert acts(read(text).words) == set(map(stem, expected))
