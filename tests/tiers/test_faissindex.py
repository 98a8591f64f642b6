"""The index itself, without threads: what a search may find, whatever came and went."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.changes import Added, Removed
from proxy.core.model import Candidate, Vector
from proxy.tiers.faissindex import Counts, Index
from proxy.tiers.faissscope import shortlist
from tests.tiers.builders import EMBEDDER, unit

DIMENSION = 64
CHUNK = 16
"""Vectors of a chunk: few, so that there are many."""
LARGE = 12
"""Entries from which a scope has sign bits."""


def _index(max_entries: int = 10_000, exact_up_to: int = LARGE) -> Index:
    return Index(
        EMBEDDER,
        DIMENSION,
        max_entries=max_entries,
        exact_up_to=exact_up_to,
        chunk_bytes=CHUNK * 2 * DIMENSION,
        counts=Counts(),
    )


def _added(number: int, scope: str = "s", until: float = 1e12) -> Added:
    vector = unit(number, DIMENSION)
    return Added(f"id{number}", scope, f"question {number}", vector, EMBEDDER, until)


def _change(index: Index, *items: Added | Removed, now: float = 0.0) -> None:
    codes = index.codes(items)
    index.make_room(len(items))
    for item, code in zip(items, codes, strict=True):
        index.change(item, code, now)


def _found(
    index: Index, scope: str, vector: Vector, k: int, *, most: int = 8, now: float = 0.0
) -> list[Candidate]:
    """As the tier searches, with a short list of few."""
    held = index.scope(scope)
    if held is None:
        return []
    slots = held.slots if held.signs is None else held.slots[shortlist(held.signs, vector, most)]
    return list(index.rank(slots, vector, k, now))


def _copied(index: Index, now: float = 0.0) -> Index:
    """What a snapshot makes of it."""
    copy = _index()
    copy.fill((index.block(at, 5) for at in range(0, index.slots, 5)), now)
    return copy


Step = tuple[Literal["add", "remove", "pass", "compact", "copy"], int, str]

steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 60), st.sampled_from("sst")),
        st.tuples(st.just("add"), st.integers(0, 60), st.sampled_from("sst")),
        st.tuples(st.just("remove"), st.integers(0, 60), st.just("")),
        st.tuples(st.just("pass"), st.integers(1, 3), st.just("")),
        st.tuples(st.just("compact"), st.integers(1, 40), st.just("")),
        st.tuples(st.just("copy"), st.just(0), st.just("")),
    ),
    max_size=200,
)


@settings(max_examples=150, deadline=None)
@given(script=steps)
def test_nothing_is_found_that_is_not_there(script: list[Step]) -> None:
    """No other scope's, no removed and no expired entry, and what is there finds itself.

    Whatever was added, removed, expired, moved to give memory back, or loaded from a snapshot.
    """
    index, model, now = _index(), dict[str, Added](), 0.0
    for action, number, scope in script:
        if action == "add":
            item = _added(number, scope, now + 1 + number % 4)
            _change(index, item, now=now)
            model[item.id] = item
        elif action == "remove":
            _change(index, Removed(f"id{number}"), now=now)
            model.pop(f"id{number}", None)
        elif action == "pass":
            now += number
        elif action == "compact":
            index.compact(number)
        else:
            index = _copied(index, now)
    alive = {item.id: item for item in model.values() if item.kept_until > now}
    for scope in "st":
        mine = {item.id for item in alive.values() if item.scope == scope}
        for number in range(0, 60, 7):
            query = unit(number, DIMENSION)
            found = _found(index, scope, query, 4, now=now)
            ids = [one.entry_id for one in found]

            assert len(set(ids)) == len(ids)
            assert set(ids) <= mine
            assert (f"id{number}" in ids) == (f"id{number}" in mine)
            for one in found:
                cosine = float(model[one.entry_id].vector @ query)
                assert one.question == model[one.entry_id].question
                assert one.similarity == pytest.approx(cosine, abs=1e-3)


def test_a_scope_that_grows_large_keeps_all_it_had() -> None:
    """The step to sign bits and the step back lose nobody, and nobody else notices."""
    index = _index()
    for number in range(3 * LARGE):
        _change(index, _added(number), _added(1000 + number, f"small {number}"))
        held = index.scope("s")

        assert held is not None
        assert (held.signs is not None) == (number >= LARGE)
        for known in range(number + 1):
            assert _found(index, "s", unit(known, DIMENSION), 1)[0].entry_id == f"id{known}"
    for number in range(3 * LARGE - 2):
        _change(index, Removed(f"id{number}"))
    held = index.scope("s")

    assert held is not None
    assert held.signs is None
    assert {one.entry_id for one in _found(index, "s", unit(0, DIMENSION), 9)} == {
        f"id{3 * LARGE - 2}",
        f"id{3 * LARGE - 1}",
    }


def test_the_first_pass_finds_the_nearest() -> None:
    """Among thousands, with noise between question and entry, nearly always."""
    rng = np.random.default_rng(3)
    index = _index()
    items = [_added(number) for number in range(3000)]
    _change(index, *items)
    right = 0
    for number in range(300):
        noisy = items[number].vector + 0.4 * unit(10_000 + number, DIMENSION)
        query = np.asarray(noisy / np.linalg.norm(noisy), np.float32)
        best = max(items, key=lambda item: float(item.vector @ query))
        found = _found(index, "s", query, 1, most=128)
        right += found[0].entry_id == best.id
    rng.shuffle(items)

    assert right >= 297


def test_removals_give_memory_back() -> None:
    """And adding again is as before; the entries that stay are found all the while."""
    index = _index()
    full = range(20 * CHUNK)
    _change(index, *(_added(number) for number in full))
    size = index.bytes
    _change(index, *(Removed(f"id{number}") for number in full if number % 4))
    while index.compact(CHUNK):
        pass

    assert index.bytes < 0.45 * size
    for number in full[::4]:
        assert _found(index, "s", unit(number, DIMENSION), 1)[0].entry_id == f"id{number}"

    _change(index, *(_added(number) for number in full))

    assert len(index) == 20 * CHUNK
    for number in full:
        assert _found(index, "s", unit(number, DIMENSION), 1)[0].entry_id == f"id{number}"


def test_the_oldest_goes_first_after_a_snapshot_too() -> None:
    """What was added again counts as new."""
    index = _index()
    _change(index, *(_added(number) for number in range(30)), _added(0))
    for most, gone in ((32, 2), (20, 14)):
        copy = _index(max_entries=most)
        copy.fill((index.block(at, 7) for at in range(0, index.slots, 7)), 0.0)
        _change(copy, *(_added(number) for number in range(90, 94)))
        ids = {one.entry_id for one in _found(copy, "s", unit(0, DIMENSION), 99, most=99)}

        assert ids == {f"id{n}" for n in (0, *range(1 + gone, 30), *range(90, 94))}


def test_an_entry_that_is_twice_in_a_snapshot_is_held_once() -> None:
    """It was removed and added again while the snapshot was written."""
    index, copy = _index(), _index()
    _change(index, *(_added(number) for number in range(10)))
    first = index.block(0, 5)
    _change(index, Removed("id2"), _added(50), _added(2))
    copy.fill([first, index.block(5, 99)], 0.0)

    assert len(copy) == 10
    assert _found(copy, "s", unit(2, DIMENSION), 1)[0].entry_id == "id2"
    found = [one.entry_id for one in _found(copy, "s", unit(2, DIMENSION), 99, most=99)]

    assert sorted(found) == [f"id{number}" for number in range(10)]
