import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import EmbeddingCreateParams

from proxy.core.dialects.embeddings import BatchReading, read
from proxy.core.dialects.embeddings_parameters import TABLE
from tests.core.builders import Json, json_values, texts


def reading(given_input: Any, tenant: str = "t", **more: Any) -> BatchReading:
    body = {"model": "m", "input": given_input, **more}
    return read(body, tenant=tenant, namespace="", extra={})


def keys(given_input: Any, **more: Any) -> list[str]:
    return [one.key for one in reading(given_input, **more).inputs]


def test_the_table_knows_the_sdks_parameters() -> None:
    """A new SDK's parameter fails here until somebody decides what it is to the cache."""
    assert set(TABLE) == set(typing.get_type_hints(EmbeddingCreateParams))


@given(st.lists(texts, min_size=1, max_size=5))
def test_an_input_has_the_key_that_it_has_alone(given_input: list[str]) -> None:
    """A batch is only how inputs are sent."""
    assert keys(given_input) == [keys(one)[0] for one in given_input]


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3), min_size=1, max_size=4))
def test_token_ids_too(given_input: list[list[int]]) -> None:
    """Alone they are a list of numbers."""
    assert keys(given_input) == [keys(one)[0] for one in given_input]


@given(st.lists(texts, min_size=2, max_size=2, unique=True))
def test_two_texts_are_two_keys(given_input: list[str]) -> None:
    """To the last character and its Unicode form."""
    assert len(set(keys(given_input))) == 2


def test_token_ids_are_no_text() -> None:
    """Not even text that looks like them."""
    assert len({*keys("[1,2]"), *keys([1, 2]), *keys([2, 1]), *keys(""), *keys([[1], [2]])}) == 6


@given(json_values)
def test_what_is_not_in_the_key_changes_nothing(value: Any) -> None:
    """Who asks, and in which encoding it is told."""
    assert keys("a", user=value) == keys("a", encoding_format="float") == keys("a")


@given(texts.filter(lambda name: name not in TABLE), json_values.filter(lambda v: v is not None))
def test_an_unknown_parameter_is_part_of_the_key(name: str, value: Any) -> None:
    """What a provider invents tomorrow may change the vector."""
    body = {"model": "m", "input": "a", name: value}

    assert [one.key for one in read(body, tenant="t", namespace="", extra={}).inputs] != keys("a")


def test_what_changes_a_vector_is_another_key() -> None:
    """Its length, its model, whose it is; a beta header too."""
    extra = read({"model": "m", "input": "a"}, tenant="t", namespace="", extra={"openai-beta": "x"})
    found = {
        *keys("a"),
        *keys("a", dimensions=3),
        *keys("a", model="n"),
        *keys("a", tenant="u"),
        extra.inputs[0].key,
    }

    assert len(found) == 5


@pytest.mark.parametrize(
    ("value", "encoding", "bypass"),
    [
        (None, "float", None),
        ("float", "float", None),
        ("base64", "base64", None),
        ("ubinary", "float", "encoding_format"),
        (7, "float", "encoding_format"),
    ],
)
def test_two_encodings_are_known(value: Any, encoding: str, bypass: str | None) -> None:
    """Others, of other providers, are passed through."""
    found = reading("a", encoding_format=value)

    assert (found.encoding, found.bypass) == (encoding, bypass)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": None},
        {"input": []},
        {"input": [[]]},
        {"input": [True]},
        {"input": ["a", 1]},
        {"input": ["a", [1]]},
        {"input": [[1], [1.0]]},
        {"input": {"text": "a"}},
        {"input": "\ud83d"},
        {"input": "a", "model": None},
        {"input": "a", "model": "m" * 257},
    ],
)
def test_an_unknown_shape_is_passed_on(body: Json) -> None:
    """The origin knows best whether it is a request."""
    found = read({"model": "m", **body}, tenant="t", namespace="", extra={})

    assert (found.bypass, found.inputs) == ("unreadable", ())
