from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from proxy.core.conversation.turns import Turn
from proxy.core.judgement.verdict import Accept, Doubt, Reject, Verdict
from proxy.core.lookup import (
    Accepted,
    AskSession,
    AskShared,
    AskVector,
    Embed,
    Fetch,
    Hit,
    Miss,
    Rewrite,
    Seen,
    State,
    Verify,
    start,
)
from proxy.core.model import CacheRequest, Candidate, Judged, Tier
from tests.core.builders import entry, request

NOW = 1050.0
VECTOR = np.full(4, 0.5, dtype=np.float32)
NEAR, FAR = Candidate("near", 0.97, "near"), Candidate("far", 0.91, "far")


def accept_all(
    _question: str, found: Sequence[Candidate], _threshold: float | None
) -> list[Verdict]:
    return [Accept("same") for _ in found]


def accept_far_only(
    _question: str, found: Sequence[Candidate], _threshold: float | None
) -> list[Verdict]:
    return [Accept("same") if c is FAR else Reject("number 5 != 7") for c in found]


def doubt_all(
    _question: str, found: Sequence[Candidate], _threshold: float | None
) -> list[Verdict]:
    return [Doubt("similarity 0.900 >= 0.700") for _ in found]


def doubt_near_only(
    _question: str, found: Sequence[Candidate], _threshold: float | None
) -> list[Verdict]:
    return [Doubt("near enough") if c is NEAR else Accept("same question") for c in found]


def at_verify(*found: Candidate) -> Verify:
    state = at_vector().next(found, doubt_all)
    assert isinstance(state, Verify)
    return state


def at_vector(asked: CacheRequest | None = None) -> AskVector:
    return AskVector(Seen(asked or request(), vector=VECTOR), VECTOR)


TALK = (Turn("user", "What is tea?"), Turn("assistant", "A drink."), Turn("user", "Is it hot?"))


def untold(**asked: bool) -> CacheRequest:
    return replace(request(**asked), question="", unwritten=TALK)


def test_a_question_is_written_before_it_is_embedded() -> None:
    """Only what the exact tiers do not have is put to a model; its question is looked up then."""
    asked = untold()
    state = AskShared(Seen(asked)).next(None, NOW)
    assert isinstance(state, Rewrite)
    told = state.next("Is tea hot?")

    assert isinstance(told, Embed)
    assert told.seen.request == replace(asked, question="Is tea hot?", unwritten=())
    assert isinstance(AskShared(Seen(asked)).next(entry(), NOW), Hit)


@pytest.mark.parametrize("text", [None, ""])
def test_without_a_written_question_nothing_is_matched(text: str | None) -> None:
    """A model that failed leaves the exact tiers, and a request whose answer no other finds."""
    end = Rewrite(Seen(untold())).next(text)

    assert isinstance(end, Miss)
    assert (end.seen.reason, end.seen.request.question) == ("not rewritten", "")
    assert end.seen.request.unwritten == TALK


@pytest.mark.parametrize("asked", [{"private": True}, {"semantic": False}])
def test_some_conversations_are_shown_to_no_model(asked: dict[str, bool]) -> None:
    """What is private or exact only is not written anew."""
    assert isinstance(AskShared(Seen(untold(**asked))).next(None, NOW), Miss)


def test_no_cache_goes_to_the_origin() -> None:
    """RFC 9111, 5.2.1.4: nothing is looked up."""
    state = start(request(read=False))

    assert isinstance(state, Miss)
    assert state.seen.reason == "no-cache"


def test_the_session_answers_first() -> None:
    """A fresh entry in the session tier ends the search."""
    state = AskSession(Seen(request())).next(entry(), NOW)

    assert isinstance(state, Hit)
    assert (state.tier, state.is_stale) == (Tier.SESSION, False)


def test_a_stale_session_entry_asks_the_shared_tier() -> None:
    """Another replica may have refreshed it."""
    state = AskSession(Seen(request())).next(entry(), 1150)

    assert isinstance(state, AskShared)
    assert state.seen.reason == "expired"


def test_the_shared_tier_answers_second() -> None:
    """An exact entry there is a hit."""
    state = AskShared(Seen(request())).next(entry(), NOW)

    assert isinstance(state, Hit)
    assert state.tier is Tier.SHARED


def test_an_expired_exact_entry_ends_the_search() -> None:
    """A neighbour's answer would be no better than the question's own old one."""
    state = AskShared(Seen(request())).next(entry(), 1150)

    assert isinstance(state, Miss)
    assert (state.seen.reason, state.seen.stale) == ("expired", None)


def test_a_stale_entry_is_kept_for_the_origins_failure() -> None:
    """RFC 5861, 4: stale-if-error takes it along."""
    state = AskShared(Seen(request(stale_if_error=60))).next(entry(), 1150)

    assert isinstance(state, Miss)
    assert state.seen.stale == entry()
    assert state.seen.stale_tier is Tier.SHARED


def test_max_stale_serves_it_as_stale() -> None:
    """RFC 9111, 5.2.1.2: the caller takes it, and is told."""
    state = AskShared(Seen(request(max_stale=60))).next(entry(), 1150)

    assert isinstance(state, Hit)
    assert state.is_stale


def test_a_waning_entry_is_served_once_no_tier_has_a_fresher_one() -> None:
    """RFC 5861, 3: the session tier may have missed a renewal, so the shared one is asked first."""
    asked = Seen(request(stale_while_revalidate=60))
    session = AskSession(asked).next(entry(), 1150)
    assert isinstance(session, AskShared)
    fresh, none = session.next(entry(created_at=1140), 1150), session.next(None, 1150)
    newer = session.next(entry(created_at=1020), 1150)
    older = session.next(entry(created_at=900), 1150)

    assert isinstance(fresh, Hit)
    assert (fresh.is_stale, fresh.wants_refresh, fresh.tier) == (False, False, Tier.SHARED)
    for state, tier, at in (
        (none, Tier.SESSION, 1000),
        (newer, Tier.SHARED, 1020),
        (older, Tier.SESSION, 1000),
    ):
        assert isinstance(state, Hit)
        assert (state.is_stale, state.wants_refresh) == (True, True)
        assert (state.tier, state.entry.created_at) == (tier, at)


def test_who_accepts_stale_answers_has_them_refreshed_too() -> None:
    """`max-stale` serves it from the first tier that has it; the operator has it refreshed."""
    state = AskSession(Seen(request(max_stale=60, stale_while_revalidate=60))).next(entry(), 1150)

    assert isinstance(state, Hit)
    assert (state.is_stale, state.wants_refresh) == (True, True)


def test_a_waning_neighbour_is_not_served() -> None:
    """Nobody has its own request to refresh it by."""
    asked = Seen(request(stale_while_revalidate=60))
    state = Fetch(asked, (Accepted(NEAR),)).next(entry(), 1150)

    assert isinstance(state, Miss)


def test_an_exact_only_request_is_never_embedded() -> None:
    """`x-cache-mode: exact` and its like end at the shared tier."""
    assert isinstance(AskShared(Seen(request(semantic=False))).next(None, NOW), Miss)
    assert isinstance(AskShared(Seen(request())).next(None, NOW), Embed)


def test_without_a_vector_there_are_no_neighbours() -> None:
    """A late embedder, or a text too long, is a miss."""
    state = Embed(Seen(request())).next(None)

    assert isinstance(state, Miss)
    assert state.seen.reason == "not embedded"


def test_a_miss_keeps_the_vector() -> None:
    """The question is embedded once: the entry to come is stored with it."""
    asked = Embed(Seen(request())).next(VECTOR)
    assert isinstance(asked, AskVector)
    state = asked.next((), accept_all)

    assert isinstance(state, Miss)
    assert state.seen.vector is VECTOR


def test_a_veto_is_a_miss_with_its_reason() -> None:
    """The best neighbour's similarity and veto are told."""
    state = at_vector().next((NEAR,), accept_far_only)

    assert isinstance(state, Miss)
    assert (state.seen.similarity, state.seen.reason) == (0.97, "number 5 != 7")


def test_a_worse_neighbour_may_be_the_right_one() -> None:
    """When the best is vetoed, the next is served, with its own similarity."""
    state = at_vector().next((NEAR, FAR), accept_far_only)
    assert isinstance(state, Fetch)
    hit = state.next(entry(), NOW)

    assert isinstance(hit, Hit)
    assert (hit.tier, hit.similarity) == (Tier.VECTOR, 0.91)


def test_a_neighbour_that_is_gone_gives_way() -> None:
    """An entry that was evicted or deleted is never served; the next is fetched."""
    state = at_vector().next((NEAR, FAR), accept_all)
    assert isinstance(state, Fetch)
    second = state.next(None, NOW)
    assert isinstance(second, Fetch)

    assert second.wanted is FAR
    assert isinstance(second.next(None, NOW), Miss)


@pytest.mark.parametrize("asked", [request(max_age=10), request(min_fresh=90)])
def test_a_neighbours_age_counts(asked: CacheRequest) -> None:
    """A neighbour must be as fresh as an exact entry."""
    state = at_vector(asked).next((NEAR,), accept_all)
    assert isinstance(state, Fetch)
    after = state.next(entry(), NOW)

    assert isinstance(after, Miss)
    assert after.seen.reason == "not fresh enough"


# Verifying


def test_what_is_in_doubt_is_verified_before_anything_is_fetched() -> None:
    """The nearest, and no other: a lookup costs one run at most."""
    state = at_verify(NEAR, FAR)
    fetch = state.next(0.5, 0.5)
    assert state.wanted is NEAR
    assert isinstance(fetch, Fetch)
    hit = fetch.next(entry(), NOW)

    assert isinstance(hit, Hit)
    assert (hit.similarity, hit.probability, hit.score) == (0.97, 0.5, 0.5)


def test_unlikely_is_a_miss_that_tells_how_unlikely() -> None:
    """Similarity, probability and reason are those of the neighbour that was verified."""
    miss = at_verify(NEAR, FAR).next(0.31, 0.5)

    assert isinstance(miss, Miss)
    assert (miss.seen.similarity, miss.seen.probability) == (0.97, 0.31)
    assert miss.seen.reason == "verifier 0.31 < 0.50"


def test_no_number_is_not_enough() -> None:
    """A probability that is none vouches for nothing."""
    state = at_verify(NEAR).next(float("nan"), 0.5)

    assert isinstance(state, Miss)
    assert state.seen.reason == "verifier nan < 0.50"


def test_a_verifier_that_does_not_answer_is_a_miss() -> None:
    """Failed or late, it vouches for nothing."""
    miss = at_verify(NEAR, FAR).next(None, 0.5)

    assert isinstance(miss, Miss)
    assert (miss.seen.similarity, miss.seen.probability) == (0.97, None)
    assert miss.seen.reason == "not verified"
    assert miss.seen.vector is VECTOR


def vetoed(_question: str, found: Sequence[Candidate], _least: float | None) -> list[Verdict]:
    return [Reject("number 5 != 7", "number") for _ in found]


def too_far(_question: str, found: Sequence[Candidate], _least: float | None) -> list[Verdict]:
    return [Reject("similarity 0.910 < 0.950") for _ in found]


def test_what_was_decided_is_known() -> None:
    """Of the neighbour that the lookup came nearest to serving; of a veto, by which guard."""
    ends: list[State] = [
        at_vector().next((NEAR,), vetoed),
        at_vector().next((FAR,), too_far),
        at_verify(NEAR).next(0.3, 0.5),
        at_verify(NEAR).next(None, 0.5),
        at_verify(NEAR).next(0.7, 0.5),
        at_vector().next((NEAR,), accept_all),
        at_vector().next((), accept_all),
    ]

    assert [(end.seen.judged, end.seen.guard) for end in ends] == [
        (Judged.VETOED, "number"),
        (Judged.BELOW, ""),
        (Judged.UNSURE, ""),
        (Judged.UNSURE, ""),
        (Judged.ACCEPTED, ""),
        (Judged.ACCEPTED, ""),
        (None, ""),
    ]


def test_the_same_text_needs_no_verifier() -> None:
    """It is fetched, though another is nearer; when its entry is gone, that is a miss."""
    state = at_vector().next((NEAR, FAR), doubt_near_only)
    assert isinstance(state, Fetch)
    hit, gone = state.next(entry(), NOW), state.next(None, NOW)

    assert state.wanted is FAR
    assert isinstance(hit, Hit)
    assert (hit.probability, hit.score) == (None, 0.91)
    assert isinstance(gone, Miss)
    assert gone.seen.reason == "neighbour gone"


def test_a_vetoed_neighbour_is_not_verified() -> None:
    """The verifier cannot overrule a guard."""

    def judge(
        _question: str, found: Sequence[Candidate], _threshold: float | None
    ) -> list[Verdict]:
        return [Reject("number 5 != 7") if c is NEAR else Doubt("near enough") for c in found]

    state = at_vector().next((NEAR, FAR), judge)

    assert isinstance(state, Verify)
    assert state.wanted is FAR
