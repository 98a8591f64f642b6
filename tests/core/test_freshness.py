import math

import pytest

from proxy.core.freshness import Lifetimes, TtlRule, is_fresh, may_serve, may_serve_on_error
from proxy.core.model import Directives
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
        TtlRule(5, model="gpt-4*"),
        TtlRule(6, tag="news"),
        TtlRule(7, namespace="docs", path="chat.*"),
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
    found = LIFETIMES.of(asked, model=model, namespace=namespace, path="chat.completions", now=0)

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
