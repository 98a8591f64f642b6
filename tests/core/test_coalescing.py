"""Whose turn it is to ask the origin: decided without asking anybody."""

from typing import Any

import pytest

from proxy.core.coalescing import Answered, Ask, Claim, Wait, call_key, decide, waits_its_turn
from proxy.core.model import Directives, Lease
from tests.core.builders import entry, request

NOW = 1000.0
LEASE = Lease("key:me", 7)


def decided(claim: Claim | None, asked: Directives | None = None, **over: Any) -> object:
    told: dict[str, Any] = {"left": 30.0, "is_over": False, "look_s": 1.0, **over}
    return decide(claim, asked or Directives(), **told)


def claim(*, lease: Lease | None = None, found: Any = None) -> Claim:
    return Claim(lease, found, NOW)


def test_who_gets_the_lease_asks_under_it() -> None:
    """Nobody else will."""
    assert decided(claim(lease=LEASE)) == Ask(LEASE)


def test_who_does_not_get_it_waits() -> None:
    """No longer than he may, and not so long that a holder's death goes unnoticed."""
    assert decided(claim()) == Wait(1.0)
    assert decided(claim(), left=0.3) == Wait(0.3)


def test_an_answer_that_has_come_is_taken() -> None:
    """Whether somebody has the lease still, or we have: he stored it and gave the lease back."""
    found = entry(NOW, ttl=10)

    assert decided(claim(found=found)) == Answered(found, NOW)
    assert decided(claim(lease=LEASE, found=found)) == Answered(found, NOW)


@pytest.mark.parametrize("asked", [Directives(max_age=5), Directives(min_fresh=60)])
def test_an_answer_that_the_request_does_not_accept_is_not_taken(asked: Directives) -> None:
    """What the lookup passed over is not served as if it had just come."""
    found = entry(NOW - 9, ttl=19)

    assert decided(claim(lease=LEASE, found=found), asked) == Ask(LEASE)
    assert decided(claim(found=found), asked) == Wait(1.0)
    assert decided(claim(found=found), asked, is_over=True) == Ask()


def test_after_a_release_without_an_answer_everybody_asks() -> None:
    """Without a lease: what may not be kept is not asked for by one after the other."""
    assert decided(claim(), is_over=True) == Ask()


def test_who_has_waited_long_enough_asks() -> None:
    """A holder who takes too long costs a call, not an answer."""
    assert decided(claim(), left=0.0) == Ask()
    assert decided(claim(), left=-1.0) == Ask()


def test_without_a_shared_tier_everybody_asks() -> None:
    """At once, and without a lease."""
    assert decided(None) == Ask()


@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (Directives(), True),
        (Directives(max_age=5), True),
        (Directives(semantic=False), True),
        (Directives(read=False), False),
        (Directives(write=False), False),
        (Directives(private=True), False),
        (Directives(shadow=True), False),
    ],
)
def test_who_takes_turns(asked: Directives, waits: bool) -> None:
    """Those who may be answered by what another was told, and whose answer others may have."""
    assert waits_its_turn(asked) is waits


def test_two_credentials_lease_apart() -> None:
    """Who shares answers does not share a quota; the entry is found by the key all the same."""
    one, other = call_key(request(), "a"), call_key(request(), "b")

    assert one != other
    assert Lease(one, 1).entry_id == Lease(other, 1).entry_id == request().key
