import pytest

from proxy.core.replaying import Decider, Policy, Tally


def test_static_serves_everything() -> None:
    """It knows no bound."""
    served, _ = Decider(Policy.STATIC, 0.01, 0.02).decide("e", 0.5, draw=0.0)

    assert served


def test_the_published_rule_serves_by_chance_what_is_unknown() -> None:
    """It bounds wrong answers per request, so a share may always be served."""
    decider = Decider(Policy.PUBLISHED, 0.05, 0.02)

    assert not decider.decide("e", 0.9, draw=0.94)[0]
    assert decider.decide("e", 0.9, draw=0.96)[0]


@pytest.mark.parametrize("policy", [Policy.OWN, Policy.VERIFIED])
def test_the_others_serve_nothing_unproven(policy: Policy) -> None:
    """Whatever is drawn."""
    assert not Decider(policy, 0.05, 0.02).decide("e", 0.999, draw=1.0)[0]


def test_verified_serves_what_was_learned() -> None:
    """Of entries it has never seen, too."""
    decider = Decider(Policy.VERIFIED, 0.05, 0.02)
    for number in range(150):
        _, advice = decider.decide(f"e{number}", 0.99, draw=1.0)
        decider.learn(f"e{number}", 0.99, advice, right=True)

    assert decider.decide("new", 0.99, draw=1.0)[0]
    assert not decider.decide("new", 0.99, draw=0.0)[0]


def test_a_tally_reports_shares() -> None:
    """With an interval around the one that is bounded."""
    report = (Tally(90, exact=10) + Tally(10, served=10, wrong=1, explored=0)).report()

    assert report["hit_rate"] == 0.2
    assert report["wrong_per_request"] == 0.01
    assert report["wrong_per_hit"] == 0.1
    assert report["wrong_per_hit_low"] == pytest.approx(0.0051, abs=1e-4)
    assert report["wrong_per_hit_high"] == pytest.approx(0.394, abs=1e-3)


def test_replays_of_one_stream_are_no_new_evidence() -> None:
    """Ten replays that meet the same neighbours leave the interval of one."""
    once, tenfold = Tally(served=20, wrong=2), Tally(served=200, wrong=20)

    assert tenfold.report(repeats=10)["wrong_per_hit_high"] == once.report()["wrong_per_hit_high"]


def test_nothing_has_no_share() -> None:
    """No hit is neither right nor wrong."""
    assert Tally(5).report()["wrong_per_hit"] is None
    assert Tally().report()["hit_rate"] is None
