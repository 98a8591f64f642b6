"""A copy with other values."""

from dataclasses import replace

import pytest

from proxy.core.model import Directives, Outcome, Result
from proxy.core.replacing import replaced
from tests.core.builders import request


def test_it_is_what_the_standard_library_makes() -> None:
    """Whatever is replaced, of whatever is replaced at every request."""
    outcome = Outcome("r", Result.MISS, "chat.completions", reason="why")
    asked = Directives(ttl=5.0, tags=("a",))

    assert replaced(outcome, status=404, stored=True) == replace(outcome, status=404, stored=True)
    assert replaced(asked, semantic=False) == replace(asked, semantic=False)
    assert replaced(request(), directives=asked) == replace(request(), directives=asked)
    assert replaced(asked) == asked


def test_a_field_that_there_is_not() -> None:
    """It is an error, not lost."""
    with pytest.raises(KeyError):
        replaced(Directives(), semantics=False)
