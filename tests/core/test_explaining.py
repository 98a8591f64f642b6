"""Why a request gets another's answer, and how that is told."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import pytest

from proxy.core.admission import Admission
from proxy.core.dialects.chat import Chat
from proxy.core.explaining import (
    PARTS,
    Comparison,
    Explanation,
    Neighbour,
    Rules,
    compared,
    decision_of,
    differing,
    not_served,
    pair_of,
)
from proxy.core.judgement.base import judge, read
from proxy.core.judgement.guards import ALL
from proxy.core.judgement.verdict import Verdict
from proxy.core.lookup import Hit, Miss, Seen
from proxy.core.model import Caller, Candidate, Directives, Scope, Tier
from proxy.core.reading import Understood, understand
from proxy.core.telling import (
    Word,
    comparison_report,
    comparison_steps,
    explanation_report,
    pair_steps,
)
from tests.core.builders import chat, entry, request

Json = dict[str, Any]
MINUTES = "How do I boil an egg for 5 minutes?"


def rules(*, verified: bool = True, least: float = 0.7) -> Rules:
    """The real judge and guards; a verifier that needs a half."""

    def verdicts(new: str, found: Sequence[Candidate], stricter: float | None) -> list[Verdict]:
        return [
            judge(
                read(new),
                read(old.question),
                old.similarity,
                threshold=least if stricter is None else stricter,
                is_verified=verified,
            )
            for old in found
        ]

    return Rules(verdicts, ALL, least, "v" if verified else None, 0.5 if verified else None)


def asked(body: Json | None = None, *, rewrite: bool = False, **wanted: Any) -> Understood:
    return understand(
        Chat(),
        body or chat(),
        caller=Caller("t"),
        asked=Directives(**wanted),
        admission=Admission(time_words=("today",)),
        extra={},
        rewrite=rewrite,
    )


def pair(
    new: Understood, cached: Understood, *, similarity: float | None = 0.9, **more: Any
) -> Comparison:
    """A comparison of two that were embedded this near to one another."""
    question = cached.request.question
    chosen = more.pop("rules", rules())
    candidate = None if similarity is None else Candidate("e", similarity, question)
    found = pair_of(new.request, question, candidate, more.pop("probability", 0.8), chosen)
    return compared(new, cached, found, chosen)


def told(found: Comparison) -> dict[str, tuple[str, str]]:
    return {step.stage: (step.word.value, step.detail) for step in comparison_steps(found)}


# The key


def test_parts_are_the_scopes() -> None:
    """No part of the key is forgotten when it grows one."""
    assert {field.name for field in fields(Scope)} - {"id"} == set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_differs_is_named(part: str) -> None:
    """Whichever it is."""
    scope = Scope("t", "n", "a", "m")

    assert differing(scope, replace(scope, **{part: "other"})) == (part,)
    assert differing(scope, scope) == ()


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ({"model": "other"}, ["model"]),
        ({"temperature": 0.5}, ["sampling"]),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, ["tools"]),
        ({"response_format": {"type": "json_object"}}, ["format"]),
        ({"never_heard_of": 1, "model": "other"}, ["model", "extra"]),
    ],
)
def test_a_request_that_differs_is_not_answered(body: Json, parts: list[str]) -> None:
    """The whole list is told, and what the questions would have said is told all the same."""
    found = pair(asked(chat(**body)), asked())
    report = comparison_report(found)

    assert found.decision == not_served(f"key differs: {', '.join(parts)}")
    assert report["key"]["differs"] == parts
    assert told(found)["key"] == ("stops", f"differs: {', '.join(parts)}")
    assert report["pair"]["same_text"]


# The question


def test_the_same_request() -> None:
    """It is answered by its key; nothing is compared."""
    found = pair(asked(), asked(chat(user="somebody else")))

    assert (found.decision.served, found.decision.tier) == (True, "session or shared")
    assert told(found)["exact"] == ("passes", "the same request")
    assert "similarity" not in told(found)


def test_other_words() -> None:
    """Similarity, guards and verifier have their say in that order, and the last decides."""
    found = pair(asked(chat("How do I boil eggs?")), asked(chat("how to boil an egg")))
    steps = told(found)

    assert found.decision.served
    assert found.decision.reason == "verifier 0.80 >= 0.50"
    assert list(steps)[-4:] == ["text", "similarity", "guards", "verifier"]
    assert steps["similarity"] == ("passes", "0.9000 >= 0.700")
    assert steps["guards"] == ("passes", f"none of {len(ALL)} objects")
    assert steps["verifier"] == ("passes", "0.8000 >= 0.500")


def test_every_veto_is_told() -> None:
    """Not only the first; the decision names the one that a lookup would."""
    found = pair(
        asked(chat("How do I enable 2FA in 7 minutes?")),
        asked(chat("How do I disable 2FA in 5 minutes?")),
    )
    report = comparison_report(found)

    assert report["decision"]["reason"] == "number 7 != 5"
    assert [veto["guard"] for veto in report["pair"]["vetoes"]] == ["number", "opposite"]
    assert told(found)["guards"] == ("stops", "number 7 != 5; opposite enable != disable")
    assert told(found)["verifier"] == ("passes", "0.8000 >= 0.500")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"similarity": 0.6}, "similarity 0.600 < 0.700"),
        ({"similarity": None}, "not embedded"),
        ({"probability": 0.31}, "verifier 0.31 < 0.50"),
        ({"probability": None}, "not verified"),
    ],
)
def test_what_stops_a_pair(changes: Json, reason: str) -> None:
    """The reasons are the lookup's own."""
    found = pair(asked(chat("How do I boil eggs?")), asked(chat("how to boil an egg")), **changes)

    assert found.decision == not_served(reason)


def test_without_a_verifier() -> None:
    """Similarity and guards decide, and the verifier's line says so."""
    found = pair(
        asked(chat("How do I boil eggs?")),
        asked(chat("how to boil an egg")),
        probability=None,
        rules=rules(verified=False, least=0.88),
    )

    assert found.decision.served
    assert found.decision.reason == "similarity 0.900 >= 0.880"
    assert told(found)["verifier"][0] == "-"


def test_the_callers_own_threshold() -> None:
    """What a request asks of the similarity is what it is held to."""
    found = pair(asked(chat("How do I boil eggs?"), threshold=0.95), asked(chat("boil an egg how")))

    assert found.decision == not_served("similarity 0.900 < 0.950")
    assert told(found)["similarity"] == ("stops", "0.9000 < 0.950")


def test_the_same_text_in_other_bytes() -> None:
    """What the judge reads alike is accepted at once, whatever the verifier would say."""
    found = pair(asked(chat("what is a CACHE")), asked(chat("What is a cache?")), probability=0.1)

    assert found.decision.served
    assert found.decision.reason == "same question"
    assert told(found)["text"][0] == "passes"


# What requests ask, and what rules take from them


@pytest.mark.parametrize(
    ("new", "cached", "reason"),
    [
        (asked(read=False), asked(), "no-cache"),
        (asked(), asked(write=False), "not stored: no-store"),
        (asked(read=False, write=False), asked(), "no-store"),
        (asked(chat("What happened today?")), asked(), "asks about today"),
        (asked(), asked(chat("What happened today?")), "not stored: asks about today"),
        (asked(chat("Why?"), semantic=False), asked(), "exact repeats only: x-cache-mode: exact"),
        (asked(chat("Why?")), asked(chat(seed=1)), "key differs: sampling"),
        (
            asked(chat("Why?")),
            asked(private=True),
            "exact repeats only: session only: cache-control: private",
        ),
        (
            asked(chat("Why?"), private=True),
            asked(chat("How?"), private=True),
            "exact repeats only: session only: cache-control: private",
        ),
        (
            asked(chat("Mail me at ann@example.com")),
            asked(),
            "exact repeats only: session only: personal data: e-mail address",
        ),
    ],
)
def test_who_is_not_answered(new: Understood, cached: Understood, reason: str) -> None:
    """The caller's wishes and the operator's rules come before any likeness."""
    found = pair(new, cached)

    assert found.decision == not_served(reason)


def test_what_forbids_other_words_is_told() -> None:
    """Two requests of one scope that may only be repeated."""
    found = pair(asked(chat("Why?", seed=1)), asked(chat("How?", seed=1)))

    assert found.decision == not_served("exact repeats only: seed")
    assert told(found)["reworded"] == ("stops", "exact repeats only: seed")
    assert comparison_report(found)["new"]["exact_only"] == "seed"


def test_why_earlier_turns_are_exact() -> None:
    """Of two conversations it is told why their earlier turns had to be the same."""
    turns = [
        {"role": "user", "content": "What is a lake?"},
        {"role": "assistant", "content": "Water."},
        {"role": "user", "content": "How deep is the deepest lake on Earth?"},
    ]
    other = [{"role": "user", "content": "What are lakes?"}, *turns[1:]]
    found = pair(asked(chat(messages=turns)), asked(chat(messages=other)))

    assert found.decision == not_served("key differs: context")
    assert told(found)["key"][1].startswith("differs: context; earlier turns must be the same: ")


def test_a_private_answer_serves_its_session() -> None:
    """The same request in the same session gets it."""
    found = pair(asked(), asked(private=True))

    assert (found.decision.served, found.decision.tier) == (True, "session")


def test_no_question() -> None:
    """A request whose last turn is not a user's text is not compared."""
    new, cached = asked(chat("Why?")), asked(chat("How?"))
    found = compared(new, cached, None, rules())

    assert found.decision == not_served("no question")
    assert comparison_report(found)["pair"] is None


# A lookup


def test_a_lookups_end() -> None:
    """A hit says from where and how fresh; a miss says why, or that nothing was near."""
    seen = Seen(request())

    assert decision_of(Miss(seen)) == not_served("nothing is near")
    assert decision_of(Miss(replace(seen, reason="expired"))) == not_served("expired")
    hit = decision_of(Hit(seen, entry(), Tier.SHARED, is_stale=False))
    assert (hit.served, hit.tier, hit.reason) == (True, "shared", "fresh")
    stale = decision_of(Hit(seen, entry(), Tier.SHARED, is_stale=True))
    assert stale.reason.startswith("expired")


def test_neighbours_are_reported() -> None:
    """Each with its entry, its steps and its numbers."""
    new, chosen = asked(chat(MINUTES)), rules()
    other = MINUTES.replace("5", "7")
    near = pair_of(new.request, other, Candidate("e1", 0.97, other), 0.2, chosen)
    found = Explanation(new, not_served(near.reason), (Neighbour("e1", near),), chosen)
    [report] = explanation_report(found)["neighbours"]

    assert report["entry"] == "e1"
    assert report["pair"]["vetoes"] == [{"guard": "number", "reason": "number 5 != 7"}]
    assert (report["pair"]["verifier"], report["pair"]["min_probability"]) == ("v", 0.5)
    assert [step["word"] for step in report["steps"]] == ["-", "passes", "stops", "stops"]
    assert [step.word for step in pair_steps(near, chosen)][2] is Word.STOPS
