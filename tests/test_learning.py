"""What the service that learns decides, keeps, and bounds."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from proxy.comparing import Comparer
from proxy.core.agreement import Agreement, Said
from proxy.core.labels import Kept, Kind, Mark
from proxy.core.lookup import Hit, Seen
from proxy.core.model import CacheRequest, Caller, Tier
from proxy.core.quarantine import QUARANTINED
from proxy.core.trusting import Lesson
from proxy.errors import TierError
from proxy.learning import EXPLORING, Learning, Terms, Trial
from tests.core.builders import entry, request
from tests.support.ports import Heard


class Labels:
    """A store in memory; it can be told to fail."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.fails = False

    async def load(self) -> tuple[Sequence[Kept], Sequence[Mark]]:
        """What was kept."""
        return self.kept, []

    async def add(self, kept: Kept) -> None:
        """Keep it."""
        if self.fails:
            raise TierError("disk full")
        self.kept.append(kept)

    async def mark(self, mark: Mark) -> None:
        """Not asked here."""
        raise AssertionError(mark)

    async def close(self) -> None:
        """Nothing is held."""


class Slow(Comparer):
    """Waits until it is let go."""

    def __init__(self) -> None:
        super().__init__(None)
        self.gate = asyncio.Event()

    async def compare(self, old: Said, new: Said) -> Agreement | None:
        """By rule, after the gate."""
        await self.gate.wait()
        return await super().compare(old, new)


class World:
    """A service, what it keeps, and what it tells."""

    def __init__(self, draw: float = 0.5, **terms: object) -> None:
        self.labels, self.heard, self.draw = Labels(), Heard(), draw
        self.terms = Terms(**terms)  # type: ignore[arg-type]  # a test names what it changes
        self.learning = self.make(Comparer(None))

    def make(self, comparer: Comparer) -> Learning:
        return Learning(
            self.terms,
            comparer,
            self.labels,
            draw=lambda: self.draw,
            clock=lambda: 1000.0,
            observer=self.heard,
        )

    async def compare(self, count: int, *, right: bool = True) -> None:
        """So many hits, each compared with a fresh answer if the service wants it."""
        for number in range(count):
            choice = self.learning.choose(request(), hit(f"e{number}"))
            if choice.trial is not None:
                await self.learning.learn(choice.trial, ["[1]"], ["[1]" if right else "[2]"])
                if choice.trial.kind is Kind.AUDITED:
                    self.learning.audit_over(request().key)


def hit(name: str = "e", tier: Tier = Tier.VECTOR, probability: float | None = 0.99) -> Hit:
    found = entry(id=name)
    return Hit(
        Seen(request()), found, tier, is_stale=False, similarity=0.9, probability=probability
    )


def trial(asked: CacheRequest | None = None) -> Trial:
    choice = World(is_verified=True).learning.choose(asked or request(), hit())
    assert choice.trial is not None
    return choice.trial


async def test_static_serves_and_learns_nothing() -> None:
    """Who asks for no bound and no audit pays for none."""
    world = World()
    choice = world.learning.choose(request(), hit())

    assert (choice.reason, choice.trial) == ("", None)


@pytest.mark.parametrize("tier", [Tier.SESSION, Tier.SHARED])
async def test_exact_repeats_are_served(tier: Tier) -> None:
    """There is nothing to prove."""
    choice = World(is_verified=True, audit_share=1.0).learning.choose(request(), hit(tier=tier))

    assert (choice.reason, choice.trial) == ("", None)


async def test_verified_explores_until_it_is_proven() -> None:
    """Then it serves, entries it never saw too."""
    world = World(is_verified=True, max_error=0.05)
    await world.compare(150)
    explored = len(world.labels.kept)
    choice = world.learning.choose(request(), hit("new"))

    assert 59 < explored < 150
    assert (choice.reason, choice.trial) == ("", None)


async def test_what_is_proven_is_explored_now_and_then() -> None:
    """And such a comparison stands for a hit."""
    world = World(is_verified=True, max_error=0.05)
    await world.compare(150)
    world.draw = 0.01
    choice = world.learning.choose(request(), hit("new"))

    assert choice.reason == EXPLORING
    assert choice.trial is not None
    assert choice.trial.stands


async def test_who_will_not_have_the_origin_asked_gets_what_is_proven() -> None:
    """`only-if-cached` is never explored or audited; unproven, it is no hit."""
    world = World(is_verified=True, max_error=0.05, audit_share=1.0)
    asked = request(only_if_cached=True)
    assert world.learning.choose(asked, hit()).reason == EXPLORING
    await world.compare(150)
    world.draw = 0.0
    choice = world.learning.choose(asked, hit("new"))

    assert (choice.reason, choice.trial) == ("", None)


async def test_what_was_learned_is_recalled() -> None:
    """A restart begins where the last run ended."""
    world = World(is_verified=True, max_error=0.05)
    await world.compare(150)
    again = world.make(Comparer(None))
    again.recall(world.labels.kept)

    assert again.choose(request(), hit("new")).reason == ""


async def test_another_verifiers_labels_are_not_recalled() -> None:
    """Its scores mean something else."""
    world = World(is_verified=True, max_error=0.05, scorer="old")
    await world.compare(150)
    world.terms = Terms(is_verified=True, max_error=0.05, scorer="new")
    again = world.make(Comparer(None))
    again.recall(world.labels.kept)

    assert again.choose(request(), hit("new")).reason == EXPLORING


async def test_a_loosened_bound_is_proven_anew() -> None:
    """What was proposed under the strict one proves nothing of what the loose one proposes."""
    world = World(is_verified=True, max_error=0.05)
    await world.compare(150)
    world.terms = Terms(is_verified=True, max_error=0.1)
    again = world.make(Comparer(None))
    again.recall(world.labels.kept)
    choice = again.choose(request(), hit("new"))

    assert choice.reason == EXPLORING
    assert choice.trial is not None
    assert choice.trial.advice.proposed


async def test_one_tenants_labels_are_its_own() -> None:
    """Another tenant's hits are no more proven by them; nor another model's."""
    world = World(is_verified=True, max_error=0.05)
    await world.compare(150)
    known = request()
    scope = type(known.scope)("other", "", "chat.completions", "m")
    asked = CacheRequest(
        scope=scope,
        caller=known.caller,
        directives=known.directives,
        question=known.question,
        key="k",
        stream=False,
        include_usage=False,
        body={},
    )

    assert world.learning.choose(asked, hit()).reason == EXPLORING


async def test_an_audit_serves_and_compares() -> None:
    """The share that is drawn, and nothing else."""
    world = World(audit_share=0.1, draw=0.05)
    choice = world.learning.choose(request(), hit())

    assert choice.reason == ""
    assert choice.trial is not None
    assert (choice.trial.kind, choice.trial.stands) == (Kind.AUDITED, True)
    world.draw = 0.2
    assert world.learning.choose(request(), hit()).trial is None


async def test_audits_under_way_are_bounded() -> None:
    """The origin is not flooded by a proxy that checks itself."""
    world = World(audit_share=1.0, most_at_once=1)
    first, second = (replace(request(), key=key) for key in ("first", "second"))
    assert world.learning.choose(first, hit()).trial is not None
    assert world.learning.choose(second, hit()).trial is None
    world.learning.audit_over("first")
    assert world.learning.choose(second, hit()).trial is not None


async def test_one_request_is_audited_once_at_a_time() -> None:
    """However many ask it meanwhile, nobody pays for the same answer twice."""
    world = World(audit_share=1.0)
    assert world.learning.choose(request(), hit()).trial is not None
    assert world.learning.choose(request(), hit()).trial is None
    world.learning.audit_over(request().key)
    assert world.learning.choose(request(), hit()).trial is not None


async def test_a_bad_namespace_is_suspended_and_recovers() -> None:
    """Its hits are explored meanwhile, so that it can."""
    world = World(audit_share=1.0, max_error=0.05)
    await world.compare(2, right=False)
    choice = world.learning.choose(request(), hit())

    assert choice.reason == "audit: wrong-hit rate 100.0 % > 5 %"
    assert choice.trial is not None
    assert (choice.trial.kind, choice.trial.stands) == (Kind.EXPLORED, True)
    assert world.learning.rates()[""].suspended == 1

    await world.compare(60)
    assert world.learning.choose(request(), hit()).reason == ""
    assert world.learning.rates()[""].suspended == 0
    assert [name for name in world.heard.names if name.startswith("namespace")] == [
        "namespace_suspended",
        "namespace_recovered",
    ]


async def test_a_suspension_survives_a_restart_in_silence() -> None:
    """It was told when it happened."""
    world = World(audit_share=1.0, max_error=0.05)
    await world.compare(2, right=False)
    world.heard.events.clear()
    again = world.make(Comparer(None))
    again.recall(world.labels.kept)

    assert again.choose(request(), hit()).reason.startswith("audit")
    assert world.heard.events == []


async def test_a_suspension_ends_with_what_watches() -> None:
    """Who turns audits off, and holds no bound, is asked for nothing any more."""
    world = World(audit_share=1.0, max_error=0.05)
    await world.compare(2, right=False)
    world.terms = Terms(max_error=0.05)
    again = world.make(Comparer(None))
    again.recall(world.labels.kept)
    choice = again.choose(request(), hit())

    assert (choice.reason, choice.trial) == ("", None)


async def test_an_objection_is_what_a_choice_would_say() -> None:
    """Draws apart; and a neighbour whose score is not known is not proven."""
    world = World(is_verified=True, max_error=0.05)
    asked = request()
    assert world.learning.objects(asked, hit()) == EXPLORING
    assert world.learning.objects(asked, hit(tier=Tier.SHARED)) == ""
    await world.compare(150)
    world.draw = 0.0
    unknown = replace(hit("new"), similarity=None, probability=None)

    assert world.learning.objects(asked, hit("new")) == ""
    assert world.learning.objects(asked, unknown) == EXPLORING
    assert World().learning.objects(asked, unknown) == ""


async def test_a_suspended_namespace_is_objected_to() -> None:
    """Whatever is known of the neighbour."""
    world = World(audit_share=1.0, max_error=0.05)
    await world.compare(2, right=False)

    assert world.learning.objects(request(), hit()).startswith("audit: ")


def by(principal: str) -> CacheRequest:
    """What this caller asks, who shares answers with all others."""
    return replace(request(), caller=Caller("everybody", principal=principal))


def answer_of(principal: str, *, confirmed: bool = False) -> Hit:
    found = hit()
    return replace(found, entry=replace(found.entry, principal=principal, confirmed=confirmed))


async def test_somebody_elses_answer_is_in_quarantine() -> None:
    """It is compared with a fresh one first; the caller's own, and a confirmed one, are served."""
    world = World(quarantine=True)
    choice = world.learning.choose(by("ann"), answer_of("mallory"))

    assert choice.reason == QUARANTINED
    assert choice.trial is not None
    assert (choice.trial.kind, choice.trial.stands) == (Kind.EXPLORED, False)
    assert world.learning.choose(by("ann"), answer_of("ann")).reason == ""
    assert world.learning.choose(by("ann"), answer_of("mallory", confirmed=True)).reason == ""
    assert World().learning.choose(by("ann"), answer_of("mallory")).reason == ""


@pytest.mark.parametrize("caller", ["ann", ""])
async def test_an_answer_of_nobody_is_in_quarantine(caller: str) -> None:
    """Where it is not known who asked for it, everybody is somebody else."""
    learning = World(quarantine=True).learning

    assert learning.choose(by(caller), answer_of("")).reason == QUARANTINED


async def test_quarantine_is_objected_to() -> None:
    """Also where an expired neighbour would stand in for an origin that fails."""
    learning = World(quarantine=True).learning

    assert learning.objects(by("ann"), answer_of("mallory")) == QUARANTINED
    assert learning.objects(by("mallory"), answer_of("mallory")) == ""


async def test_an_unsure_comparison_neither_proves_nor_accuses() -> None:
    """To the rules it is not right; to the audit it is nothing."""
    world = World(is_verified=True)
    verdict = await world.learning.learn(trial(), ["One way."], ["Another way."])
    (kept,) = world.labels.kept

    assert verdict is Agreement.UNSURE
    assert (kept.lesson.right, kept.stands) == (False, False)
    assert world.learning.rates() == {}


async def test_comparisons_under_way_are_bounded() -> None:
    """Those beyond are left out, and said to be."""
    world = World(is_verified=True, most_at_once=1)
    comparer = Slow()
    learning = world.make(comparer)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(learning.learn(trial(), ["a"], ["a"]))
        await asyncio.sleep(0)
        assert await learning.learn(trial(), ["a"], ["a"]) is None
        comparer.gate.set()

    assert first.result() is Agreement.SAME
    assert world.heard.names == ["comparison_left_out", "answers_compared"]


async def test_a_store_that_fails_costs_the_next_start_only() -> None:
    """What was learned holds for this run."""
    world = World(is_verified=True, max_error=0.05)
    world.labels.fails = True
    await world.compare(150)

    assert world.learning.choose(request(), hit("new")).reason == ""
    assert "labels_failed" in world.heard.names


async def test_no_question_is_kept() -> None:
    """A label holds digests and scores."""
    world = World(is_verified=True)
    await world.compare(1)
    (kept,) = world.labels.kept

    assert kept.lesson == Lesson("e0", 0.99, right=True)
    assert "cache" not in repr(kept)
