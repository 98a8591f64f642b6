"""The contract of an Index; every implementation is a parameter of `make`."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core.changes import Added, Changes, Removed
from proxy.errors import TierError
from proxy.ports import Index
from proxy.tiers.faiss import FaissTier
from tests.tiers.builders import DIMENSION, EMBEDDER, Events, FakeClock, unit
from tests.tiers.conftest import redis_at
from tests.tiers.fedvectorsets import vector_sets

if TYPE_CHECKING:
    from proxy.core.model import Vector

Make = Callable[..., Index]

NEAR = 5e-4
"""How far a similarity may be from the cosine: vectors are kept in half precision."""


def change(number: int, where: str = "s", until: float = 1e12, **fields: Any) -> Added:
    made = Added(f"id{number}", where, f"question {number}", unit(number), EMBEDDER, until)
    return replace(made, **fields)


def fold(*items: Added | Removed, position: str = "1", reset: bool = False) -> Changes:
    return Changes(items, position, reset=reset)


@pytest.fixture(params=["faiss", "faiss-signs", "redis", "cluster"])
def make(request: pytest.FixtureRequest, clock: FakeClock, events: Events, tmp_path: Path) -> Make:
    """Builds tiers; those of one test share the index at `path`, and None gives each its own."""

    def build(**options: Any) -> Index:
        plain = {
            "path": tmp_path / "index.snapshot",
            "embedder": EMBEDDER,
            "dimension": DIMENSION,
            "clock": clock,
            "on_event": events,
        }
        chosen = {**plain, **options}
        if request.param in {"faiss", "faiss-signs"}:
            exact_up_to = 4000 if request.param == "faiss" else 1
            return FaissTier(**{"max_entries": 50_000, "exact_up_to": exact_up_to, **chosen})
        prefix = tmp_path.name if chosen.pop("path") else secrets.token_hex(8)
        return vector_sets(
            url, chosen.pop("clock"), chosen.pop("on_event"), prefix=prefix, **chosen
        )

    url = "" if request.param.startswith("faiss") else redis_at(request, request.param)
    return build


@pytest.fixture
async def tier(make: Make) -> AsyncIterator[Index]:
    built = make()
    await built.start()
    yield built
    await built.close()


async def test_neighbours_come_best_first(tier: Index) -> None:
    """With their questions and exact cosines; at most k of them."""
    items = [change(n) for n in range(30)]
    await tier.apply(fold(*items))
    query = unit(3)
    found = await tier.search("s", query, 4)
    cosines = {item.id: float(item.vector @ query) for item in items}

    assert [one.entry_id for one in found] == sorted(cosines, key=lambda id_: -cosines[id_])[:4]
    assert found[0].question == "question 3"
    assert [one.similarity for one in found] == pytest.approx(
        [cosines[one.entry_id] for one in found], abs=NEAR
    )
    assert len(await tier.search("s", query, 99)) == 30


async def test_an_operator_finds_what_is_alike_in_every_scope(
    tier: Index, clock: FakeClock
) -> None:
    """All that is at least so similar, best first, with its scope and cosine; nothing expired."""
    items = [change(n, f"s{n % 7}") for n in range(300)]
    twin = change(301, "far", vector=unit(3))
    expired = change(302, "s1", until=clock() + 1, vector=unit(3))
    await tier.apply(fold(*items, twin, expired))
    clock.now += 2
    query = unit(3)
    cosines = {item.id: float(item.vector @ query) for item in (*items, twin)}
    meant = {at for at, cosine in cosines.items() if cosine >= 0.4}
    found = await tier.near(query, 0.4)

    assert len(meant) > 9
    assert {one.entry_id for one in found} == meant
    assert [one.similarity for one in found] == pytest.approx(
        sorted((cosines[at] for at in meant), reverse=True), abs=NEAR
    )
    assert {(one.entry_id, one.scope, one.question) for one in found[:2]} == {
        ("id3", "s3", "question 3"),
        ("id301", "far", "question 301"),
    }
    assert [one.entry_id for one in await tier.near(query, 0.4, 5)] == [
        one.entry_id for one in found[:5]
    ]


async def test_an_operator_finds_nothing_where_nothing_is_alike(tier: Index) -> None:
    """An empty index, one that was emptied, and one of other questions."""
    assert list(await tier.near(unit(1), 0.9)) == []

    await tier.apply(fold(change(1), change(2)))
    await tier.apply(fold(Removed("id1"), position="2"))

    assert list(await tier.near(unit(1), 0.99)) == []
    with pytest.raises(TierError):
        await tier.near(unit(1)[:4], 0.9)


async def test_a_cosine_is_never_over_one(tier: Index) -> None:
    """Rounding does not push an equal question's similarity out of its range."""
    await tier.apply(fold(*(change(n) for n in range(200))))
    for number in range(200):
        found = [
            *await tier.search("s", unit(number), 1),
            *await tier.search("s", -unit(number), 200),
        ]

        assert found[0].similarity == pytest.approx(1.0, abs=NEAR)
        assert found[-1].similarity == pytest.approx(-1.0, abs=NEAR)
        assert all(-1.0 <= one.similarity <= 1.0 for one in found)


async def test_a_scope_is_a_wall(tier: Index) -> None:
    """The same question under another scope is no neighbour, however alike."""
    await tier.apply(fold(change(1, "mine"), change(1, "theirs", id="other"), change(2, "mine")))

    assert {one.entry_id for one in await tier.search("mine", unit(1), 9)} == {"id1", "id2"}
    assert list(await tier.search("nobody's", unit(1), 9)) == []


async def test_nothing_is_asked_for(tier: Index) -> None:
    """k = 0 finds nothing."""
    await tier.apply(fold(change(1)))

    assert list(await tier.search("s", unit(1), 0)) == []


async def test_what_is_removed_is_not_found(tier: Index) -> None:
    """And what was never there, or is removed twice, is a no-op."""
    await tier.apply(fold(change(1), change(2), Removed("id1"), Removed("id1"), Removed("x")))

    assert [one.entry_id for one in await tier.search("s", unit(1), 9)] == ["id2"]

    await tier.apply(fold(Removed("id2")))

    assert list(await tier.search("s", unit(1), 9)) == []
    assert tier.stats()["entries"] == 0


async def test_an_id_is_held_once(tier: Index) -> None:
    """Added again it has its new vector, question and scope, and no others."""
    await tier.apply(fold(change(1), change(1)))
    await tier.apply(fold(change(1, "t", question="new", vector=unit(9))))
    (found,) = await tier.search("t", unit(9), 9)

    assert list(await tier.search("s", unit(1), 9)) == []
    assert found.question == "new"
    assert found.similarity == pytest.approx(1.0, abs=NEAR)
    assert tier.stats()["entries"] == 1


async def test_what_is_past_its_time_is_skipped(tier: Index, clock: FakeClock) -> None:
    """It does not take the place of one that lives."""
    await tier.apply(fold(change(1, until=clock() + 10), change(2), change(3, until=clock())))

    assert {one.entry_id for one in await tier.search("s", unit(1), 9)} == {"id1", "id2"}

    clock.now += 10

    assert [one.entry_id for one in await tier.search("s", unit(1), 1)] == ["id2"]


@pytest.mark.parametrize(
    "fields",
    [
        {"embedder": "another"},
        {"vector": unit(1, DIMENSION + 1)},
        {"vector": unit(1) * np.float32(1.2)},
        {"vector": np.full(DIMENSION, np.nan, np.float32)},
        {"vector": np.zeros(DIMENSION, np.float32)},
    ],
    ids=str,
)
async def test_a_strange_vector_is_ignored(tier: Index, fields: dict[str, Any]) -> None:
    """Of another embedder or dimension, or not of unit length: counted, its old one gone."""
    await tier.apply(fold(change(1), change(2)))
    await tier.apply(fold(change(1, **fields)))

    assert [one.entry_id for one in await tier.search("s", unit(1), 9)] == ["id2"]
    assert tier.stats()["ignored"] == 1


async def test_a_query_of_another_dimension_is_a_tier_error(tier: Index) -> None:
    """It cannot have an answer."""
    with pytest.raises(TierError, match="shape"):
        await tier.search("s", unit(1, DIMENSION + 1), 1)


async def test_a_query_that_is_no_number_finds_nothing(tier: Index) -> None:
    """Nothing is as similar as NaN."""
    await tier.apply(fold(change(1)))

    assert list(await tier.search("s", np.full(DIMENSION, np.nan, np.float32), 3)) == []


async def test_a_reset_forgets_all_before_it(tier: Index) -> None:
    """What comes with it is what there is."""
    await tier.apply(fold(change(1), change(2), position="5"))
    await tier.apply(fold(change(2), position="7", reset=True))

    assert [one.entry_id for one in await tier.search("s", unit(1), 9)] == ["id2"]
    assert tier.position == "7"


async def test_the_position_follows_the_log(tier: Index) -> None:
    """None at first, then that of the last stretch, also of an empty one."""
    assert tier.position is None

    await tier.apply(fold(change(1), position="5"))
    await tier.apply(fold(position="6"))

    assert tier.position == "6"


async def test_a_snapshot_is_taken_up(make: Make, clock: FakeClock) -> None:
    """Another process finds the same neighbours and goes on at the same position."""
    one, two = make(), make()
    await one.start()
    await one.apply(fold(*(change(n, f"s{n % 7}") for n in range(2500)), position="5"))
    await one.apply(fold(change(3000, "s1", until=clock() + 5), Removed("id8"), position="6"))
    await one.save()
    clock.now += 5
    expected = [await one.search(f"s{n % 7}", unit(n), 5) for n in range(50)]
    await one.close()
    await two.start()

    assert [await two.search(f"s{n % 7}", unit(n), 5) for n in range(50)] == expected
    assert two.position == "6"

    await two.close()


async def test_searches_while_it_changes_are_right(make: Make) -> None:
    """Small and large scopes, adding, removing and growing: each answer fits its question."""
    tier = make(dimension=64)
    await tier.start()
    vectors: dict[str, Vector] = {}
    rng = np.random.default_rng(7)
    query = unit(1, 64)

    def made(number: int) -> Added:
        vector = rng.standard_normal(64).astype(np.float32)
        vector = np.asarray(vector / np.linalg.norm(vector), np.float32)
        vectors[f"id{number}"] = vector
        where = "small" if number % 50 == 0 else "large"
        return Added(f"id{number}", where, f"question {number}", vector, EMBEDDER, 1e12)

    async def change_it() -> None:
        for start in range(0, 24_000 if isinstance(tier, FaissTier) else 2400, 800):
            came = [made(n) for n in range(start, start + 800)]
            gone = [Removed(f"id{n}") for n in range(start - 400, start - 200)]
            await tier.apply(fold(*came, *gone))

    async def search_it(where: str) -> int:
        asked = 0
        while not changing.done():
            for one in await tier.search(where, query, 5):
                assert one.question == one.entry_id.replace("id", "question ")
                assert one.similarity == pytest.approx(
                    float(vectors[one.entry_id] @ query), abs=NEAR
                )
            asked += 1
            await asyncio.sleep(0)
        return asked

    async with asyncio.TaskGroup() as group:
        changing = group.create_task(change_it())
        small = group.create_task(search_it("small"))
        large = group.create_task(search_it("large"))
    found = await tier.search("large", query, 3)
    await tier.close()

    assert small.result() > 5
    assert large.result() > 5
    assert len(found) == 3


async def test_a_tier_that_is_not_started_says_so(make: Make) -> None:
    """Before `start` and after `close`, each call is a TierError; `close` is always well."""
    tier = make()
    await tier.close()
    for _ in range(2):
        with pytest.raises(TierError, match="not started"):
            await tier.search("s", unit(1), 1)
        with pytest.raises(TierError, match="not started"):
            await tier.apply(fold(change(1)))
        with pytest.raises(TierError, match="not started"):
            await tier.save()
        await tier.start()
        await tier.close()


async def test_a_second_start_forgets_nothing(tier: Index) -> None:
    """It proves that the tier is up, and that is all."""
    await tier.apply(fold(change(1), position="5"))
    await tier.start()

    assert len(await tier.search("s", unit(1), 9)) == 1
    assert tier.position == "5"


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "remove", "reset"]),
        st.integers(0, 12),
        st.sampled_from("st"),
    ),
    max_size=60,
)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=steps, cut=st.integers(1, 9))
async def test_it_agrees_with_comparing_everything(
    make: Make, script: list[tuple[str, int, str]], cut: int
) -> None:
    """Whatever was folded, in whatever stretches, search is a sort by cosine of what is held."""
    tier = make(path=None)
    await tier.start()
    model: dict[str, Added] = {}
    for at in range(0, len(script), cut):
        items: list[Added | Removed] = []
        is_reset = script[at][0] == "reset"
        if is_reset:
            model.clear()
        for action, number, where in script[at : at + cut]:
            item = change(number, where) if action == "add" else Removed(f"id{number}")
            items.append(item)
            model.pop(item.id, None)
            if isinstance(item, Added):
                model[item.id] = item
        await tier.apply(fold(*items, reset=is_reset))
    for where in "st":
        query = unit(99)
        found = await tier.search(where, query, 5)
        held = [item for item in model.values() if item.scope == where]
        held.sort(key=lambda item: -float(item.vector @ query))

        assert [one.entry_id for one in found] == [item.id for item in held[:5]]
    await tier.close()
