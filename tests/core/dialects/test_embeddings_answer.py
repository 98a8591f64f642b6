import base64
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from proxy.core.dialects.base import Stamp
from proxy.core.dialects.embeddings_answer import (
    MixedModelsError,
    added_up,
    put_together,
    shared_out,
    taken_apart,
)
from proxy.core.model import Answer, Usage
from tests.core.builders import Json, json_values
from tests.core.dialects.chat_answers import unknown

STAMP = Stamp("embd-new", 9)
narrow = st.floats(width=32, allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10_000)
small = json_values.filter(lambda value: "18446744073709551616" not in repr(value))


def item(index: int, embedding: Any) -> Json:
    return {"object": "embedding", "index": index, "embedding": embedding}


def answer(*items: Json, **more: Any) -> Json:
    return {"object": "list", "data": list(items), "model": "m"} | more


def apart(whole: Json, weights: list[int]) -> list[Answer]:
    found = taken_apart(orjson.dumps(whole), weights)
    assert found is not None
    return found


@st.composite
def answers(draw: Any) -> tuple[Json, list[int]]:
    size = draw(st.integers(1, 3))
    vectors = st.lists(narrow, min_size=size, max_size=size)
    data = [item(index, draw(vectors)) for index in range(draw(st.integers(1, 4)))]
    for one in data:
        one.update(dict.fromkeys(draw(unknown), 1))
    whole = answer(*data)
    if draw(st.booleans()):
        prompt = draw(counts)
        usage = {"prompt_tokens": prompt, "total_tokens": prompt}
        whole["usage"] = usage | {"prompt_tokens_details": {"cached_tokens": draw(counts)}}
    weights = draw(st.lists(st.integers(1, 99), min_size=len(data), max_size=len(data)))
    return whole, weights


@given(answers())
def test_a_batch_put_together_is_what_was_taken_apart(drawn: tuple[Json, list[int]]) -> None:
    """Every number, the usage to the token, and unknown fields survive."""
    whole, weights = drawn
    found = orjson.loads(put_together(apart(whole, weights), "float", STAMP))

    assert found == whole


@given(answers())
def test_the_sdk_reaches_the_same_object_in_base64(drawn: tuple[Json, list[int]]) -> None:
    """Which it asks for by itself."""
    whole, weights = drawn
    found = orjson.loads(put_together(apart(whole, weights), "base64", STAMP))
    for one in found["data"]:
        packed = base64.b64decode(one["embedding"])
        one["embedding"] = np.frombuffer(packed, "<f4").tolist()
    for one in (found, whole):
        one.setdefault("usage", {"prompt_tokens": 0, "total_tokens": 0})

    assert CreateEmbeddingResponse.model_validate(found) == CreateEmbeddingResponse.model_validate(
        whole
    )


def test_inputs_may_be_put_together_anew() -> None:
    """In another order, more than once, with others: places are told as the caller has them."""
    found = apart(answer(item(1, [2.0]), item(0, [1.0])), [1, 1])
    again = orjson.loads(put_together([found[1], found[0], found[1]], "float", STAMP))

    assert again["data"] == [item(0, [2.0]), item(1, [1.0]), item(2, [2.0])]


@pytest.mark.parametrize("other", [answer(item(0, [1.0]), model="n"), answer(item(0, [1.0, 2.0]))])
def test_answers_of_two_models_are_not_one(other: Json) -> None:
    """By the name the origin gave, or by their length: such vectors cannot be compared."""
    (one,), (two,) = apart(answer(item(0, [1.0])), [1]), apart(other, [1])

    with pytest.raises(MixedModelsError):
        put_together([one, two], "float", STAMP)


def test_a_replay_has_an_id_and_a_time_of_its_own() -> None:
    """Where the origin's answers have them: OpenAI's do not."""
    (found,) = apart(answer(item(0, [1.0]), id="embd-old", created=1), [1])
    again = orjson.loads(put_together([found], "float", STAMP))

    assert (again["id"], again["created"]) == ("embd-new", 9)


@pytest.mark.parametrize(
    ("usage", "weights", "expected"),
    [
        ({"prompt_tokens": 7}, [5], Usage(7, 0)),
        ({"prompt_tokens": 7}, [5, 5], Usage(3, 0, estimated=True)),
        ({"prompt_tokens": "7"}, [5], None),
        (None, [5], None),
        ([7], [5], None),
    ],
)
def test_an_inputs_tokens_are_known_when_it_was_asked_alone(
    usage: Any, weights: list[int], expected: Usage | None
) -> None:
    """In a batch they are its share, and marked as an estimate."""
    items = [item(index, [1.0]) for index in range(len(weights))]

    assert apart(answer(*items, usage=usage), weights)[0].usage == expected


@given(counts, st.lists(st.integers(0, 99), min_size=1, max_size=9).filter(any))
def test_shares_add_up(count: int, weights: list[int]) -> None:
    """To the token, and no share is negative."""
    shares = shared_out(count, weights)

    assert sum(shares) == count
    assert min(shares) >= 0


def test_whatever_a_usage_is_made_of_is_shared_and_added() -> None:
    """Numbers and objects of numbers; text and flags are told to all."""
    usage = {"prompt_tokens": 10, "cost": 0.5, "details": {"cached": 4}, "tier": "x", "ok": True}
    shares = shared_out(usage, [1, 1])

    assert shares[0] == {**usage, "prompt_tokens": 5, "cost": 0.25, "details": {"cached": 2}}
    assert added_up(shares) == usage
    assert shared_out(7, [0, 0]) == [7, 7]


@pytest.mark.parametrize(
    "body",
    [
        b"no",
        b"[]",
        b"{}",
        b'{"data":[]}',
        b'{"data":[7]}',
        b'{"data":{"0":1}}',
        b'{"data":[{"index":0}]}',
        b'{"data":[{"index":1,"embedding":[1]}]}',
        b'{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}',
        b'{"data":[{"index":"0","embedding":[1]}]}',
        b'{"data":[{"index":0,"embedding":"!"}]}',
        b'{"data":[{"index":0,"embedding":[1],"x":%b}]}' % (b"[" * 400 + b"]" * 400),
        b'{"data":[{"index":0,"embedding":[1]}],"usage":%b1%b}' % (b'{"a":' * 900, b"}" * 900),
    ],
)
def test_what_is_not_one_answer_an_input_is_none(body: bytes) -> None:
    """All of a batch is understood, or nothing of it is kept."""
    assert taken_apart(body, [1]) is None


def test_items_without_a_place_stand_in_order() -> None:
    """Some origins leave the index out."""
    body = b'{"data":[{"embedding":[1.0]},{"embedding":[2.0]}]}'
    found = taken_apart(body, [1, 1])

    assert found is not None
    assert [np.frombuffer(one.frames[1], "<f4").tolist() for one in found] == [[1.0], [2.0]]
