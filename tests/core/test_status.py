import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.model import Outcome, Result, Tier, Usage
from proxy.core.status import cache_status, headers

TOKEN = r"[A-Za-z*][!#$%&'*+.^_`|~:/0-9A-Za-z-]*"
STRING = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
PARAMETER = rf"; *[a-z*][a-z0-9_.*-]*(?:=(?:-?\d{{1,15}}|{TOKEN}|{STRING}))?"
MEMBER = re.compile(rf"{TOKEN}(?:{PARAMETER})*")


def outcome(result: Result, **more: object) -> Outcome:
    return Outcome("req_1", result, "chat.completions", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            outcome(Result.HIT, tier=Tier.VECTOR, ttl=3417.9, age=1),
            "Reprise; hit; ttl=3417; detail=semantic",
        ),
        (outcome(Result.HIT, tier=Tier.SESSION, ttl=1), "Reprise; hit; ttl=1; detail=session"),
        (outcome(Result.STALE, tier=Tier.SHARED, ttl=-5), "Reprise; hit; ttl=-5; detail=shared"),
        (
            outcome(Result.STALE, tier=Tier.SHARED, ttl=-5, upstream_status=503),
            "Reprise; fwd=stale; fwd-status=503; ttl=-5; detail=shared",
        ),
        (
            outcome(Result.MISS, upstream_status=200, stored=True),
            "Reprise; fwd=miss; fwd-status=200; stored",
        ),
        (
            outcome(Result.COALESCED, upstream_status=200),
            "Reprise; fwd=miss; fwd-status=200; collapsed",
        ),
        (outcome(Result.BYPASS, reason="store"), "Reprise; fwd=bypass; detail=store"),
        (outcome(Result.MISS, reason="no-cache"), "Reprise; fwd=request; detail=no-cache"),
        (outcome(Result.MISS, reason="not_cached", status=504), "Reprise; detail=not_cached"),
        (outcome(Result.MISS, reason="expired"), "Reprise; fwd=stale; detail=expired"),
        (
            outcome(Result.MISS, upstream_status=200, items=(3, 5), stored=True),
            "Reprise; fwd=partial; fwd-status=200; stored",
        ),
        (outcome(Result.MISS, items=(0, 5)), "Reprise; fwd=miss"),
        (
            outcome(Result.MISS, reason="number 5 != 7"),
            'Reprise; fwd=miss; detail="number 5 != 7"',
        ),
    ],
)
def test_cache_status(found: Outcome, expected: str) -> None:
    """RFC 9211's parameters for each way to be answered."""
    assert cache_status(found) == expected


@given(st.text(max_size=200))
def test_any_reason_is_a_structured_field(reason: str) -> None:
    """RFC 9651: no text can break out of the header, or out of its parameter."""
    value = cache_status(outcome(Result.MISS, reason=reason))

    assert MEMBER.fullmatch(value), value


def test_a_hit_tells_all() -> None:
    """What a person at a terminal wants to see."""
    near = {"similarity": 0.98765, "probability": 0.91234}
    found = outcome(Result.HIT, tier=Tier.VECTOR, age=12.7, entry="e1", ttl=5, **near)

    assert dict(headers(found)) == {
        "cache-status": "Reprise; hit; ttl=5; detail=semantic",
        "x-cache": "HIT",
        "age": "12",
        "x-cache-tier": "vector",
        "x-cache-similarity": "0.9877",
        "x-cache-probability": "0.9123",
        "x-cache-entry": "e1",
        "x-request-id": "req_1",
    }


@pytest.mark.parametrize(("usd", "told"), [(0.00045, "0.00045"), (0.0, "0"), (12.5, "12.5")])
def test_what_was_saved_is_told(usd: float, told: str) -> None:
    """Tokens and money that the origin was not asked for, and of a batch how many inputs."""
    found = dict(headers(outcome(Result.MISS, items=(3, 5), saved=Usage(4, 6), saved_usd=usd)))

    assert found["x-cache-items"] == "3/5"
    assert found["x-cache-saved-tokens"] == "10"
    assert found["x-cache-saved-usd"] == told


def test_headers_can_be_hidden() -> None:
    """A stranger learns nothing of what others asked."""
    assert headers(outcome(Result.HIT, tier=Tier.SHARED), expose=False) == [
        ("x-request-id", "req_1")
    ]
