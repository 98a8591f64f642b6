import base64
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dialects.vectors import NotNumbersError, numbers_of

floats = st.floats(allow_nan=False, allow_infinity=False)
narrow = st.floats(width=32, allow_nan=False, allow_infinity=False)


def told(value: Any) -> Any:
    """As a caller who asked for floats reads it."""
    written = orjson.dumps(numbers_of(value).plain, option=orjson.OPT_SERIALIZE_NUMPY)
    return orjson.loads(written)


@given(st.lists(floats | st.integers(-(2**53), 2**53), min_size=1, max_size=20))
def test_numbers_are_told_again_as_they_were(value: list[float]) -> None:
    """Whatever they are: equal to the last bit."""
    assert told(value) == value


@given(st.lists(narrow, min_size=1, max_size=20))
def test_float32_takes_four_bytes_however_it_is_written(value: list[float]) -> None:
    """As the double it equals, or as its shortest decimals."""
    short = orjson.loads(
        orjson.dumps(np.array(value, np.float32), option=orjson.OPT_SERIALIZE_NUMPY)
    )

    assert told(short) == short
    assert len(numbers_of(value).packed) == len(numbers_of(short).packed) == 4 * len(value)


@given(st.lists(narrow, min_size=1, max_size=20))
def test_base64_holds_the_same_float32(value: list[float]) -> None:
    """From numbers to base64 and back, and the other way round."""
    coded = base64.b64encode(np.array(value, "<f4").tobytes()).decode()

    assert numbers_of(value).base64 == coded
    assert numbers_of(coded).base64 == coded
    assert np.array(told(coded), "<f4").tobytes() == np.array(value, "<f4").tobytes()


def test_numbers_that_were_never_float32_are_kept_whole() -> None:
    """In base64 they are rounded to it, as the origin would."""
    found = numbers_of([0.1234567890123])

    assert (found.style, len(found.packed)) == ("wide", 8)
    assert base64.b64decode(found.base64) == np.array([0.1234567890123], "<f4").tobytes()


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "",
        "no base64!",
        "AAA=",
        [True],
        ["1"],
        [None],
        [10**400],
        base64.b64encode(np.array([math.nan], "<f4").tobytes()).decode(),
        {"a": 1},
    ],
)
def test_what_is_no_embedding_is_refused(value: Any) -> None:
    """An answer that we would have to guess is not kept."""
    with pytest.raises(NotNumbersError):
        numbers_of(value)
