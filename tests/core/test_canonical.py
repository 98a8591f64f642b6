import json
import math
import tracemalloc
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.canonical import (
    UncanonicalError,
    canonical,
    dumps,
    fingerprint,
    loads,
    repeats_a_name,
)
from tests.core.builders import json_values


def plain(value: Any) -> Any:
    """An independent notion of what a value means."""
    match value:
        case bool() | None:
            return ("word", str(value))
        case float() if value.is_integer() and abs(value) < 2**53:
            return ("number", repr(int(value)))
        case int() | float():
            return ("number", repr(value))
        case str():
            return ("text", unicodedata.normalize("NFC", value))
        case list():
            return ("list", tuple(plain(item) for item in value))
        case _:
            items = {unicodedata.normalize("NFC", k): plain(v) for k, v in value.items()}
            return ("object", tuple(sorted(items.items())))


@given(json_values, json_values)
def test_equal_bytes_mean_equal_values(one: Any, other: Any) -> None:
    """Two values share their canonical bytes exactly when they mean the same."""
    assert (canonical(one) == canonical(other)) == (plain(one) == plain(other))


@given(st.dictionaries(st.text("abc", max_size=3), json_values, max_size=5), st.randoms())
def test_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    """An object is the same whatever the order of its keys."""
    names = list(value)
    random.shuffle(names)

    assert canonical({name: value[name] for name in names}) == canonical(value)


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (0, -0.0), (100, 1e2), ([1.0], [1]), ({"a": 2.0}, {"a": 2})]
)
def test_whole_floats_are_integers(one: object, other: object) -> None:
    """`1` and `1.0` are the same number."""
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, False), (1, "1"), (None, ""), (2**64, 2**64 + 1), (0.1, 0.2), ([], {})],
)
def test_what_an_origin_could_tell_apart_stays_apart(one: object, other: object) -> None:
    """Nothing is made equal that is not."""
    assert canonical(one) != canonical(other)


def test_text_is_composed() -> None:
    """An e with an accent is the same letter in one code point or in two."""
    assert canonical({"é": "é"}) == canonical({"e\u0301": "e\u0301"})


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800"])
def test_what_is_not_json_has_no_form(value: object) -> None:
    """A number that is none, or half a character, is refused rather than guessed."""
    with pytest.raises(UncanonicalError):
        canonical([value])


def test_names_are_composed_before_they_are_sorted() -> None:
    """The order of names is that of their composed form."""
    assert canonical({"e\u0301": 1, "f": 2}) == canonical({"é": 1, "f": 2})


def test_names_that_become_one_are_refused() -> None:
    """Two members must not become one: a value would be lost from the key."""
    with pytest.raises(UncanonicalError, match="two names"):
        canonical({"é": 1, "e\u0301": 2})


@pytest.mark.parametrize("text", [rb'"\ud83d"', rb'"\udE00 1234567890123456789"', b"[NaN]", b"{"])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    """Whichever parser reads it."""
    with pytest.raises(ValueError, match=r"."):
        loads(text)


@pytest.mark.parametrize("text", [b'"\xed\xa0\xbd"', b'"\xff"', '{"a":1}'.encode("utf-16")])
def test_what_is_no_utf_8_is_refused(text: bytes) -> None:
    """Even where half a pair is let in: JSON that is sent is UTF-8 (RFC 8259, 8.1)."""
    with pytest.raises(ValueError, match=r"."):
        loads(text, lenient=True)


def test_half_a_pair_can_be_let_in() -> None:
    """A client that cut a text inside an emoji still sent JSON."""
    assert loads(rb'["\ud83d", 1]', lenient=True) == ["\ud83d", 1]
    assert loads(rb'["\ud83d\ude00"]', lenient=True) == ["\U0001f600"]


@pytest.mark.parametrize("lenient", [True, False])
def test_nesting_is_refused_as_no_json(lenient: bool) -> None:
    """No depth of nesting crashes the parser."""
    with pytest.raises(ValueError, match=r"deep|depth|[Rr]ecursion"):
        loads(b"[" * 200_000 + b"]" * 200_000, lenient=lenient)


def test_of_two_names_the_last_counts() -> None:
    """As with nearly every parser."""
    assert loads(b'{"a": 1, "a": 2}') == {"a": 2}


def test_depth_is_no_crash() -> None:
    """Nesting beyond any sense is refused, not a crash of the interpreter."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]

    with pytest.raises(UncanonicalError):
        canonical(deep)


@given(json_values)
def test_json_survives(value: Any) -> None:
    """Parsing what was written gives the value back, integers of any size included."""
    assert loads(dumps(value)) == value


def test_nothing_has_an_empty_fingerprint() -> None:
    """A part that a request lacks is told from one it has."""
    assert (fingerprint(None), fingerprint({}), fingerprint([])) == ("", "", "")
    assert fingerprint([None]) != ""


def test_text_to_be_composed_may_be_too_deep() -> None:
    """At whatever depth it is, it has a canonical form or is said to have none."""
    value: object = "e\u0301"
    found = []
    for _ in range(1000):
        value = [value]
        try:
            found.append(canonical(value).count("é".encode()))
        except UncanonicalError:
            found.append(0)

    assert found == [1] * sum(found) + [0] * (1000 - sum(found))
    assert 100 < sum(found) < 1000


def test_what_is_written_takes_the_memory_that_it_needs() -> None:
    """Entries are kept by the thousand: their bodies must be no larger than they say."""
    body = {"text": "x" * 600}
    tracemalloc.start()
    try:
        kept = [dumps(body) for _ in range(200)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert taken < 2 * sum(map(len, kept))


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ('{"a":1,"a":1}', True),
        ('{"a" \n:1,"\\u0061"\t:2}', True),
        ('[{"b":{"c":[{"d":1,"e":2,"d":3}]}}]', True),
        ('{"a":"x","b":{"a":{"a":"\\"a\\":"}}}', False),
        ('{"text":"he said : \\"a\\" : \\"a\\"","a" : 1}', False),
        ('[{"a":1},{"a":2}]', False),
        ('"a : \\"b\\":"', False),
    ],
)
def test_a_name_given_twice_is_seen(text: str, repeats: bool) -> None:
    """However it is written, and wherever; what a text holds is no name."""
    assert repeats_a_name(text.encode(), loads(text.encode())) == repeats


@given(json_values, st.booleans())
def test_what_is_written_once_repeats_nothing(value: object, is_spaced: bool) -> None:
    """Of any JSON that a program writes."""
    text = json.dumps(value, separators=(" , ", " : ") if is_spaced else None)

    assert not repeats_a_name(text.encode(), value)
