"""What a bound on wrong hits would cost and keep, on a stream whose right answers are known.

Embedder, guards, verifier and the lookup's own states decide as in serving; only the tiers are
imitated, by a list of each question's neighbours, so that a stream can be replayed many times. A
neighbour below the judge's least similarity is left out of the list: it would be rejected.

What an explored request learns is read from the keys: the cached answer was right if it belongs to
the row's key. As in serving, an answer that agreed with the neighbour's is found by its own
question only, and one that did not joins the neighbours.
"""

import asyncio
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from proxy.config import Config
from proxy.core.dialects.chat import Chat
from proxy.core.directives import parse
from proxy.core.judgement.weighing import weighed
from proxy.core.lookup import AskVector, Embed, Fetch, Hit, Miss, Seen, State, Verify
from proxy.core.model import Answer, CacheRequest, Caller, Candidate, Entry, Vector
from proxy.core.reading import understand
from proxy.core.replaying import Decider, Policy, Tally
from proxy.errors import TierError
from proxy.library import Cache, open_cache
from proxy.measuring.apart import apart
from proxy.measuring.evaluation import Case, EvaluationError, Sample, refuse_trouble

Report = dict[str, Any]

ALWAYS: Final = 4e9
"""Nothing expires while a stream is replayed."""

BLOCK: Final = 512
"""Questions compared with all others at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is replayed.

    Attributes:
        bounds: The shares of wrong hits to hold.
        seeds: Replays with each; the first in the stream's own order, the others shuffled.
        rounds: How often a replay goes through the stream, with an emptied cache each time, and
            what was learned kept.
        explore_share: Of trusted neighbours, how many are explored all the same.
        noise: The share of comparisons that come out wrong.
    """

    bounds: tuple[float, ...] = (0.01, 0.02, 0.05)
    seeds: int = 3
    rounds: int = 1
    explore_share: float = 0.02
    noise: float = 0.0

    def variants(self) -> Iterator[tuple[Policy, float]]:
        """Every policy at every bound; `static` knows none."""
        yield Policy.STATIC, self.bounds[0]
        for bound in self.bounds:
            for policy in (Policy.PUBLISHED, Policy.OWN, Policy.VERIFIED):
                yield policy, bound


def simulate(
    sample: Sample, config: Config, plan: Plan, progress: Callable[[], None] = lambda: None
) -> list[Report]:
    """Replay a stream by every policy, in a loop of its own.

    Args:
        sample: A stream.
        config: What the proxy would be started with; its policy is not looked at.
        plan: What is replayed.
        progress: Called after each replay.

    Returns:
        For each policy and bound: `policy`, `max_error` (None for `static`), the fields of
        `Tally.report` over all replays, and `worst`, the highest `wrong_per_hit` of one replay.

    Raises:
        EvaluationError: A part of the cache does not work.
        ConfigError: The configuration names something that does not exist.
    """
    with tempfile.TemporaryDirectory(prefix="reprise-simulate-") as folder:
        return asyncio.run(_simulate(sample, apart(config, Path(folder)), plan, progress))


async def _simulate(
    sample: Sample, config: Config, plan: Plan, progress: Callable[[], None]
) -> list[Report]:
    async with open_cache(config, sys.stderr) as cache:
        refuse_trouble(cache)
        if cache.runtime.semantic is None:
            raise EvaluationError("no embedder is configured: there is nothing to simulate")
        world = await _World.of(sample, cache)
        reports = []
        for policy, bound in plan.variants():
            tallies = []
            for seed in range(plan.seeds):
                decider = Decider(policy, bound, plan.explore_share)
                tallies.append(await _replay(world, decider, plan, seed))
                progress()
            reports.append(_report(policy, bound, tallies, plan.rounds))
        refuse_trouble(cache)
    return reports


def _report(policy: Policy, bound: float, tallies: Sequence[Tally], rounds: int) -> Report:
    total = sum(tallies, Tally())
    shares = [tally.wrong / tally.served for tally in tallies if tally.served]
    return {
        "policy": policy.value,
        "max_error": None if policy is Policy.STATIC else bound,
        "replays": len(tallies),
        **total.report(repeats=len(tallies) * rounds),
        "worst": max(shares, default=None),
    }


async def _replay(world: "_World", decider: Decider, plan: Plan, seed: int) -> Tally:
    # Not for secrets: a seed makes a replay repeatable.
    draws = random.Random(seed)  # noqa: S311 - see above
    tally = Tally()
    for turn in range(plan.rounds):
        cases = list(world.cases)
        if seed or turn:
            draws.shuffle(cases)
        shelf = _Shelf()
        for case in cases:
            tally += await _answer(world, shelf, decider, case, (draws, plan.noise))
    return tally


class _Shelf:
    """What is in the cache: the key of each question's answer, and which may answer others."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.indexed: set[str] = set()


async def _answer(
    world: "_World",
    shelf: _Shelf,
    decider: Decider,
    case: Case,
    chance: tuple[random.Random, float],
) -> Tally:
    """One request."""
    draws, noise = chance
    question = world.question(case)
    if question in shelf.keys:
        return Tally(requests=1, exact=1)
    found = await world.look_up(question, shelf.indexed)
    if isinstance(found, Miss):
        shelf.keys[question] = case.key
        shelf.indexed.add(question)
        return Tally(requests=1)
    cached, score = found.entry, found.score or 0.0
    is_right = shelf.keys[cached.question] == case.key
    is_served, advice = decider.decide(cached.id, score, draws.random())
    if is_served:
        return Tally(requests=1, served=1, wrong=int(not is_right))
    agrees = is_right != (draws.random() < noise)
    decider.learn(cached.id, score, advice, right=agrees)
    shelf.keys[question] = case.key
    if not agrees:
        shelf.indexed.add(question)
    return Tally(requests=1, explored=1)


class _World:
    """The stream's questions, and what the cache's parts say of them; each is asked once."""

    def __init__(self, cases: Sequence[Case], cache: Cache) -> None:
        semantic = cache.runtime.semantic
        if semantic is None:
            raise EvaluationError("no embedder is configured: there is nothing to simulate")
        self.cases = cases
        self._semantic = semantic
        self._cache = cache
        self._requests: dict[str, CacheRequest] = {}
        self._vectors: dict[str, Vector] = {}
        self._near: dict[str, list[Candidate]] = {}
        self._likely: dict[tuple[str, str], float] = {}

    @classmethod
    async def of(cls, sample: Sample, cache: Cache) -> "_World":
        """Read and embed every question."""
        world = cls(sample.cases, cache)
        for case in sample.cases:
            await world._read(case)
        world._compare()
        return world

    def question(self, case: Case) -> str:
        """What the row asks."""
        return str(case.messages[-1]["content"])

    async def _read(self, case: Case) -> None:
        text = self.question(case)
        if text in self._requests:
            return
        runtime = self._cache.runtime
        understood = understand(
            Chat(),
            {"model": "simulation", "messages": list(case.messages)},
            caller=Caller("simulation"),
            asked=parse({}, runtime.limits),
            admission=runtime.admission,
            extra={},
        )
        self._requests[text] = understood.request
        if understood.bypass is None and understood.request.directives.semantic:
            try:
                vector = await self._semantic.embedder.embed(understood.request.question)
            except TierError as error:
                raise EvaluationError(f"the cache's embedder does not work: {error}") from error
            if vector is not None:
                self._vectors[text] = vector

    def _compare(self) -> None:
        """Each question's neighbours from the judge's least similarity up, nearest first."""
        least = self._cache.runtime.limits.threshold or 0.0
        texts = list(self._vectors)
        if not texts:
            return
        matrix = np.stack(list(self._vectors.values()))
        for start in range(0, len(texts), BLOCK):
            similar: npt.NDArray[np.float32] = matrix[start : start + BLOCK] @ matrix.T
            for text, row in zip(texts[start : start + BLOCK], similar, strict=True):
                near = [at for at in np.argsort(-row) if row[at] >= least and texts[at] != text]
                self._near[text] = [
                    Candidate(self._requests[texts[at]].key, float(row[at]), texts[at])
                    for at in near
                ]

    async def look_up(self, question: str, indexed: set[str]) -> Hit | Miss:
        """Drive the lookup's states over what is indexed."""
        request = self._requests[question]
        state: State = Embed(Seen(request))
        while not isinstance(state, Hit | Miss):
            state = await self._step(state, question, indexed)
        return state

    async def _step(self, state: State, question: str, indexed: set[str]) -> State:
        match state:
            case Embed():
                return state.next(self._vectors.get(question))
            case AskVector():
                return state.next(self._nearest(question, indexed), self._semantic.judge)
            case Verify():
                return state.next(*await self._verify(question, state.wanted))
            case Fetch():
                return state.next(self._entry(state.wanted), 0.0)
            case _:
                raise AssertionError(state)

    def _nearest(self, question: str, indexed: set[str]) -> Sequence[Candidate]:
        found: list[Candidate] = []
        for candidate in self._near[question]:
            if candidate.question in indexed:
                found.append(candidate)
                if len(found) == self._semantic.candidates:
                    break
        return found

    async def _verify(self, question: str, cached: Candidate) -> tuple[float | None, float]:
        verification = self._semantic.verification
        if verification is None:
            return None, 1.0
        pair = question, cached.question
        if pair not in self._likely:
            try:
                found = await verification.verifier.verify(question, [cached.question])
            except TierError as error:
                raise EvaluationError(f"the cache's verifier does not work: {error}") from error
            self._likely[pair] = found[0] if found else 0.0
        likely = weighed(self._likely[pair], cached.similarity, verification.lean)
        return likely, verification.min_probability

    def _entry(self, candidate: Candidate) -> Entry:
        request = self._requests[candidate.question]
        return Entry(
            id=candidate.entry_id,
            scope=request.scope.id,
            tenant=request.scope.tenant,
            namespace=request.scope.namespace,
            model=request.scope.model,
            question=candidate.question,
            answer=Answer(b""),
            created_at=0.0,
            expires_at=ALWAYS,
            kept_until=ALWAYS,
        )
