import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.directives import Limits, parse, session
from proxy.core.model import Directives
from proxy.errors import BadRequestError


def test_no_headers_ask_for_nothing() -> None:
    """Without a header the defaults hold."""
    assert parse({}) == Directives()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("no-store", Directives(read=False, write=False)),
        ("no-cache", Directives(read=False)),
        ("NO-CACHE, Only-If-Cached", Directives(read=False, only_if_cached=True)),
        ("max-age=60", Directives(max_age=60)),
        ('max-age="60"', Directives(max_age=60)),
        ("max-age=60, max-age=30", Directives(max_age=30)),
        ("max-age=99999999999999", Directives(max_age=2**31)),
        ("max-age=" + "9" * 5000, Directives(max_age=2**31)),
        ("min-fresh=000000000000060", Directives(min_fresh=60)),
        ("min-fresh=5", Directives(min_fresh=5)),
        ("max-stale", Directives(max_stale=math.inf)),
        ("max-stale=10", Directives(max_stale=10)),
        ("stale-if-error=60", Directives(stale_if_error=60)),
        ("private", Directives(private=True)),
        ('foo="a, no-store", bar, max-age=1', Directives(max_age=1)),
        (" , ,no-transform,, max-age=1", Directives(max_age=1)),
    ],
)
def test_cache_control(value: str, expected: Directives) -> None:
    """RFC 9111's syntax: case, lists, quotes, unknown directives; the strictest of two wins."""
    assert parse({"cache-control": value}) == expected


@pytest.mark.parametrize(
    "value", ["max-age", "max-age=", "max-age=abc", "max-age=-1", "min-fresh=1.5", "max-stale=x"]
)
def test_a_malformed_directive_is_the_callers_error(value: str) -> None:
    """Serving by a rule that was told otherwise would be worse than saying so."""
    with pytest.raises(BadRequestError) as caught:
        parse({"cache-control": value})

    assert caught.value.param == "cache-control"
    assert value.split("=", maxsplit=1)[0] in caught.value.message


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("off", Directives(read=False, write=False)),
        ("Exact", Directives(semantic=False)),
        ("semantic", Directives()),
        ("shadow", Directives(shadow=True)),
    ],
)
def test_modes(mode: str, expected: Directives) -> None:
    """Each mode by its name."""
    assert parse({"x-cache-mode": mode}) == expected


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-cache-mode", "fast"),
        ("x-cache-ttl", "0"),
        ("x-cache-ttl", "soon"),
        ("x-cache-ttl", "1_000"),
        ("x-cache-ttl", "-5"),
        ("x-cache-ttl", "\u0663"),
        ("x-cache-threshold", "1.2"),
        ("x-cache-threshold", "nan"),
        ("x-cache-namespace", "a b"),
        ("x-cache-tags", "ok, n\u00f6"),
        ("x-cache-tags", ",".join(f"t{i}" for i in range(40))),
    ],
)
def test_our_headers_are_checked(header: str, value: str) -> None:
    """The error names the header and the value."""
    with pytest.raises(BadRequestError) as caught:
        parse({header: value})

    assert caught.value.param == header


def test_a_session_is_checked() -> None:
    """A session's name is bounded, and absent means the default one."""
    assert session({}) == ""
    assert session({"x-session-id": "chat-7"}) == "chat-7"
    assert session({"x-session-id": " Y2hhdA+/== "}) == "Y2hhdA+/=="
    for bad in ("x" * 257, "a b", "\u00e9", "a\x00"):
        with pytest.raises(BadRequestError):
            session({"x-session-id": bad})


def test_tags_and_namespace() -> None:
    """Tags are a list without repeats."""
    found = parse({"x-cache-tags": "a, b,,a", "x-cache-namespace": "docs/v2"})

    assert (found.tags, found.namespace) == (("a", "b"), "docs/v2")


def test_a_threshold_may_only_be_stricter() -> None:
    """A caller cannot loosen the operator's threshold unless that is allowed."""
    strict = Limits(threshold=0.9)

    assert parse({"x-cache-threshold": "0.97"}, strict).threshold == 0.97
    assert parse({"x-cache-threshold": "0.5"}, strict).threshold == 0.9
    assert parse({"x-cache-threshold": "0.5"}, Limits(0.9, allow_looser=True)).threshold == 0.5


@given(st.text(max_size=60))
def test_any_header_is_read_or_refused(value: str) -> None:
    """Whatever a header holds, the outcome is directives or the caller's error."""
    for header in ("cache-control", "x-cache-tags", "x-cache-ttl", "x-cache-threshold"):
        refused: BadRequestError | None = None
        try:
            parse({header: value})
        except BadRequestError as error:
            refused = error
        assert refused is None or refused.param == header
