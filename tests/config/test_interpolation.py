"""Variables in the file's strings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.interpolation import Interpolation, dotted

ENVIRON = {"NAME": "value", "EMPTY": "", "TRICKY": "${NAME}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${NAME}", "value"),
        ("a-${NAME}-${NAME}", "a-value-value"),
        ("${MISSING:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("${NAME:-fallback}", "value"),
        ("x${EMPTY}", "x"),
        ("$${NAME}", "${NAME}"),
        ("$NAME costs $5", "$NAME costs $5"),
        ("${TRICKY}", "${NAME}"),
        ("", ""),
    ],
)
def test_text(text: str, expected: str) -> None:
    """A variable is replaced, once; its default holds when it is unset or empty, as in a shell."""
    reading = Interpolation(ENVIRON)

    assert [expected] == reading.fill([text])
    assert reading.problems == []


def test_only_an_empty_variable_is_a_line_left_out() -> None:
    """`${KEY:-}` is null, while text that is empty on purpose stays."""
    reading = Interpolation(ENVIRON)

    assert reading.fill({"a": "${MISSING:-}", "b": "", "c": "x${EMPTY}"}) == {"b": "", "c": "x"}


def test_missing_variable() -> None:
    """A variable that is not set is a problem at its path."""
    reading = Interpolation(ENVIRON)
    reading.fill({"cache": {"rules": [{"model": "${NOPE}"}]}})

    assert reading.problems == ["cache.rules[0].model: the variable NOPE is not set"]


@pytest.mark.parametrize("text", ["${", "${}", "${a b}", "${NAME", "${1}", "${NAME-x}"])
def test_malformed(text: str) -> None:
    """A `${` that is no variable is a problem, not text that looks filled."""
    reading = Interpolation(ENVIRON)
    reading.fill({"key": text})

    assert len(reading.problems) == 1
    assert reading.problems[0].startswith("key: ")


def test_sources() -> None:
    """It is known which variable a value came from."""
    reading = Interpolation(ENVIRON)
    reading.fill({"a": ["x", "${NAME}"], "b": 3, "c": "plain"})

    assert reading.sources == {("a", 1): "NAME"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text().filter(lambda t: "${" not in t),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_leaves_everything_else_alone(value: Any) -> None:
    """Whatever holds no `${` comes out as it went in."""
    assert value == Interpolation({}).fill(value)


def test_dotted() -> None:
    """A path reads as a person would write it."""
    assert dotted(("cache", "ttl", "rules", 0, "ttl_s")) == "cache.ttl.rules[0].ttl_s"
