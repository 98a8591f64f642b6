import pytest

from proxy.core.dialects.deltas import merge, settle
from tests.core.builders import Json


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([{"a": "x"}, {"a": "y"}, {"a": None}], {"a": "xy"}),
        ([{"a": None}, {"a": "y"}], {"a": "y"}),
        ([{"a": 1}, {"a": 2}], {"a": 2}),
        ([{"a": True}, {"a": False}], {"a": False}),
        ([{"a": [1]}, {"a": [2]}], {"a": [1, 2]}),
        ([{"a": {"b": "x"}}, {"a": {"b": "y", "c": 1}}], {"a": {"b": "xy", "c": 1}}),
        ([{"role": "r"}, {"role": "r"}, {"role": ""}], {"role": "r"}),
        ([{"name": "get"}, {"name": "get"}], {"name": "get"}),
        ([{"name": "get_"}, {"name": "time"}], {"name": "get_time"}),
    ],
)
def test_merging(parts: list[Json], whole: Json) -> None:
    """Text is joined, lists grow, objects merge, numbers and flags are replaced."""
    found: Json = {}
    for part in parts:
        merge(found, part)

    assert found == whole


def test_indexed_parts_merge_by_their_index() -> None:
    """As thoughts are streamed by some; their type and format are told each time."""
    part = {"index": 0, "type": "reasoning.text", "format": "f"}
    found: Json = {"details": [{**part, "text": "Let"}]}
    merge(found, {"details": [{**part, "text": " me"}, {"index": 1, "text": "see"}]})
    merge(found, {"details": [{"text": "no index"}]})

    assert found["details"] == [
        {**part, "text": "Let me"},
        {"index": 1, "text": "see"},
        {"text": "no index"},
    ]


def test_parts_of_one_index_and_two_types_are_two() -> None:
    """OpenRouter numbers a thought and what is hidden of it alike."""
    text = {"index": 0, "type": "reasoning.text", "text": "Hm"}
    hidden = {"index": 0, "type": "reasoning.encrypted", "data": "x"}
    found: Json = {}
    for part in (text, hidden, text, {"index": 0, "signature": "s"}):
        merge(found, {"details": [dict(part)]})

    assert found["details"] == [{**text, "text": "HmHm", "signature": "s"}, hidden]


@pytest.mark.parametrize("other", [{"b": 1}, [1], 7, True])
def test_a_field_that_changes_its_type_is_refused(other: object) -> None:
    """There is no telling what the origin would have said in one piece."""
    with pytest.raises(TypeError):
        merge({"a": "x"}, {"a": other})
    with pytest.raises(TypeError):
        merge({"a": other}, {"a": "x"})


def test_settling() -> None:
    """The last value counts, null and "" are none, objects add up without touching their parts."""
    first = {"b": 1}
    whole: Json = {}
    for fields in (
        {"a": first, "c": "x", "d": [1]},
        {"a": {"e": 2}, "c": None, "d": [2]},
        {"c": ""},
    ):
        settle(whole, fields.items())

    assert whole == {"a": {"b": 1, "e": 2}, "c": "x", "d": [2]}
    assert first == {"b": 1}
