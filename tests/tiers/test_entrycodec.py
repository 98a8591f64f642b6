"""Entries that are stored without what was asked."""

from dataclasses import replace

import pytest

from proxy.tiers import entrycodec
from proxy.tiers.codec import decode
from proxy.tiers.entrycodec import EntryCodec
from tests.tiers.builders import FakeClock, entry


@pytest.fixture
def codec() -> EntryCodec:
    return EntryCodec(keeps_questions=False)


def test_the_bytes_have_no_question(codec: EntryCodec, clock: FakeClock) -> None:
    """The digest and the vector are all that is left of it, but for who stored it."""
    made = entry("why is my knee swollen", clock)
    data = codec.encode(made)
    stranger = EntryCodec(keeps_questions=False)

    assert b"knee" not in data.replace(made.answer.body, b"")
    assert codec.decode(made.id, data) == made
    assert codec.decode(made.id, data).question == made.question
    assert stranger.decode(made.id, data) == replace(made, question="")
    assert stranger.decode(made.id, data).vector is not None


def test_what_has_no_vector_yet_is_remembered(codec: EntryCodec, clock: FakeClock) -> None:
    """It may get one; but not a question of any length, which no embedder would read."""
    made = entry("a question", clock, seed=None)
    long = entry("x" * (entrycodec.LONGEST + 1), clock, seed=None)

    assert codec.decode(made.id, codec.encode(made)).question == "a question"
    assert codec.decode(long.id, codec.encode(long)).question == ""


def test_an_entry_from_before_keeps_its_question(codec: EntryCodec, clock: FakeClock) -> None:
    """Until it expires, or is purged."""
    made = entry("q", clock)

    assert codec.decode(made.id, EntryCodec().encode(made)).question == "q"


def test_the_oldest_is_forgotten_first(codec: EntryCodec, clock: FakeClock) -> None:
    """So that what is remembered is bounded."""
    first, second = entry("first", clock), entry("second", clock)
    of_first, of_second = codec.encode(first), codec.encode(second)
    codec.encode(first)  # asked again
    for number in range(entrycodec.QUESTIONS - 1):
        codec._asked.learn(replace(first, id=str(number)))  # type: ignore[union-attr]

    assert codec.decode(first.id, of_first).question == "first"
    assert codec.decode(second.id, of_second).question == ""
    assert decode(of_first).question == ""
