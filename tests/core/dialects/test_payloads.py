import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dialects.payloads import glance, has_halves, healed, parse
from tests.core.builders import json_values


@given(json_values)
def test_parsing_is_without_loss(value: object) -> None:
    """Large integers too."""
    assert parse(json.dumps(value).encode()) == value


@given(st.text(st.characters() | st.sampled_from("\ud83c\udf89🎉"), max_size=6))
def test_halves_are_read_and_healed(text: str) -> None:
    """Two that adjoin are one character; one alone is refused."""
    payload = json.dumps([text]).encode()
    whole = text.encode("utf-16", "surrogatepass")

    is_escaped_in_two = any("\ud800" <= c <= "\udfff" or c > "\uffff" for c in text)
    assert has_halves(payload) or not is_escaped_in_two
    assert glance(payload) == parse(payload)
    try:
        expected = whole.decode("utf-16")
    except UnicodeDecodeError:
        with pytest.raises(ValueError, match="surrogate"):
            healed(parse(payload))
    else:
        assert healed(parse(payload)) == [expected]


@pytest.mark.parametrize("payload", [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused(payload: bytes) -> None:
    """Python's own constants and bottomless nesting included."""
    with pytest.raises(ValueError):  # noqa: PT011 - the two parsers word it each in its own way
        glance(payload)
    with pytest.raises(ValueError):  # noqa: PT011 - the same
        parse(payload)
