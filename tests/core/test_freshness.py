import math

import pytest

from proxy.core.freshness import (
    Lifetimes,
    Rules,
    TtlRule,
    is_fresh,
    may_serve,
    may_serve_on_error,
    may_serve_while_refreshed,
)
from proxy.core.model import Directives, Scope
from proxy.core.tagging import TagRule
from tests.core.builders import entry


@pytest.mark.parametrize(
    ("asked", "now", "expected"),
    [
        (Directives(), 1000, True),
        (Directives(), 1099, True),
        (Directives(), 1100, False),
        (Directives(max_age=50), 1050, True),
        (Directives(max_age=50), 1051, False),
        (Directives(max_age=0), 1000, True),
        (Directives(min_fresh=10), 1090, True),
        (Directives(min_fresh=10), 1091, False),
        (Directives(max_stale=10), 1110, True),
        (Directives(max_stale=10), 1111, False),
        (Directives(max_stale=math.inf), 1199, True),
        (Directives(max_stale=math.inf), 1200, False),
        (Directives(max_stale=math.inf, max_age=50), 1150, False),
    ],
)
def test_who_is_served(asked: Directives, now: float, *, expected: bool) -> None:
    """RFC 9111, 5.2.1: an entry of 1000 that is fresh until 1100 and kept until 1200."""
    assert may_serve(entry(), asked, now) is expected


def test_an_origins_failure_widens_the_choice() -> None:
    """RFC 5861, 4: stale-if-error counts only when the origin failed."""
    asked = Directives(stale_if_error=50)

    assert not may_serve(entry(), asked, 1120)
    assert may_serve_on_error(entry(), asked, 1120)
    assert not may_serve_on_error(entry(), asked, 1151)
    assert not is_fresh(entry(), 1100)


LIFETIMES = Lifetimes(
    default_s=100,
    max_s=1000,
    stale_s=10,
    rules=(
        TtlRule(ttl_s=5, model="gpt-4*"),
        TtlRule(ttl_s=6, tag="news"),
        TtlRule(ttl_s=7, namespace="docs", path="chat.*"),
    ),
)


@pytest.mark.parametrize(
    ("asked", "model", "namespace", "expected"),
    [
        (Directives(), "other", "", 100),
        (Directives(), "gpt-4o", "", 5),
        (Directives(tags=("x", "news")), "other", "", 6),
        (Directives(tags=("news",)), "gpt-4o", "", 5),
        (Directives(), "other", "docs", 7),
        (Directives(ttl=50), "gpt-4o", "", 50),
        (Directives(ttl=5000), "other", "", 1000),
    ],
)
def test_lifetimes(asked: Directives, model: str, namespace: str, expected: float) -> None:
    """The first rule that matches holds; the request's own wish wins, up to the maximum."""
    scope = Scope("t", namespace, "chat", model)
    found = LIFETIMES.of(asked, scope, "chat.completions", now=0)

    assert found == (expected, expected + 10)


@pytest.mark.parametrize(
    ("asked", "now", "expected"),
    [
        (Directives(max_age=60, stale_if_error=30), 1070, True),
        (Directives(max_age=60, stale_if_error=30), 1095, False),
        (Directives(min_fresh=20, stale_if_error=30), 1095, True),
        (Directives(min_fresh=20, stale_if_error=30), 1115, False),
        (Directives(max_age=60), 1070, False),
        (Directives(max_age=60, stale_if_error=1e6), 1200, False),
    ],
)
def test_a_failure_widens_the_callers_own_limits(
    asked: Directives, now: float, expected: bool
) -> None:
    """`stale-if-error` counts from where the caller's limits end (RFC 5861, 4), within keeping."""
    assert may_serve_on_error(entry(), asked, now) is expected


@pytest.mark.parametrize(
    ("asked", "now", "expected"),
    [
        ({}, 1099, False),
        ({}, 1100, True),
        ({}, 1150, True),
        ({}, 1151, False),
        ({"stale_while_revalidate": 1e6}, 1199, True),
        ({"stale_while_revalidate": 1e6}, 1200, False),
        ({"stale_while_revalidate": 0}, 1100, False),
        ({"max_age": 1000}, 1110, False),
        ({"min_fresh": 1}, 1110, False),
        ({"max_stale": 20}, 1120, True),
        ({"max_stale": 20}, 1121, False),
        ({"only_if_cached": True}, 1110, False),
        ({"write": False}, 1110, False),
    ],
)
def test_who_is_served_what_is_being_refreshed(
    asked: dict[str, float], now: float, *, expected: bool
) -> None:
    """RFC 5861, 3: for 50 s after 1100, those who state no limit and can bring a fresh answer."""
    directives = Directives(**{"stale_while_revalidate": 50, **asked})  # type: ignore[arg-type]

    assert may_serve_while_refreshed(entry(), directives, now) is expected


RULES = Rules(
    Lifetimes(
        default_s=100,
        max_s=1000,
        stale_s=10,
        stale_while_revalidate_s=3,
        stale_if_error_s=4,
        rules=(
            TtlRule(ttl_s=0, tag="never"),
            TtlRule(ttl_s=5, tag="news", stale_while_revalidate_s=1),
            TtlRule(ttl_s=5, namespace="x", stale_if_error_s=2),
        ),
    ),
    (TagRule(namespace="x*", tags=("x", "all")), TagRule(tag="paper", tags=("news", "all"))),
)


@pytest.mark.parametrize(
    ("asked", "namespace", "expected"),
    [
        (Directives(), "", Directives(stale_while_revalidate=3, stale_if_error=4)),
        (
            Directives(stale_if_error=0, tags=("own",)),
            "x",
            Directives(stale_while_revalidate=3, stale_if_error=0, tags=("own", "x", "all")),
        ),
        (
            Directives(tags=("paper",)),
            "xy",
            Directives(
                stale_while_revalidate=1, stale_if_error=4, tags=("paper", "x", "all", "news")
            ),
        ),
        (
            Directives(),
            "x",
            Directives(stale_while_revalidate=3, stale_if_error=2, tags=("x", "all")),
        ),
        (
            Directives(tags=("never",)),
            "",
            Directives(write=False, stale_while_revalidate=3, stale_if_error=4, tags=("never",)),
        ),
    ],
)
def test_rules(asked: Directives, namespace: str, expected: Directives) -> None:
    """Tags come first, lifetimes see them; the caller's own word on errors holds; twice is once."""
    scope = Scope("t", namespace, "chat", "m")
    found = RULES.ruled(asked, scope, "/v1/chat/completions")

    assert found == expected
    assert RULES.ruled(found, scope, "/v1/chat/completions") == expected
