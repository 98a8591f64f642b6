"""A question asked in other words: the proxy beside its models alone."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from bench.http import peers, traffic
from bench.http.client import one_by_one
from bench.http.processes import NotStartedError, cpu_s, family
from bench.http.reprise import NO_SESSION, reprise
from bench.http.rounds import Bench, Row, Target, turned
from proxy.embedding import onnx as embedding
from proxy.modelfolder import Card
from proxy.verifying import onnx as verifying
from tests.support.waiting import until_sync

NAME = "semantic hit, one at a time"
EMBEDS = "embedding alone"
VERIFIES = "verifier alone"
EMBEDS_PACED = "embedding alone, at a request's pace"
BOTH_PACED = "both models alone, at a request's pace"
BARE = "Reprise, similarity alone"
VERIFIED = "Reprise, with the verifier"

ASKED = "How do I cook a {} at home the way that people do it in {}?"
REWORDED = "How can I cook a {} at home the way that people do it in {}?"
"""Fifteen words each, with one word for dish and country."""

DISHES = (
    *("soup", "pizza", "pie", "steak", "curry", "salad", "omelette", "pudding", "stew", "burger"),
    *("lasagna", "pancake", "risotto", "sandwich", "casserole", "goulash", "paella", "quiche"),
    *("ratatouille", "dumpling"),
)
LANDS = (
    *("Italy", "France", "Spain", "Greece", "Turkey", "Japan", "China", "India", "Mexico"),
    *("Brazil", "Peru", "Egypt", "Morocco", "Poland", "Hungary", "Sweden", "Norway", "Ireland"),
    *("Portugal", "Thailand"),
)

A_ROUND = 80
"""Questions of a round; each is asked once, so that no memory of vectors or verdicts helps."""

PACE_S = 0.0015
"""About what a request takes besides its models: so long they rest from one request to the next,
their thread asleep, while a core's cache fills with other things. Run straight after one another, a
model finds its weights there; run in turn, two models turn each other out."""

SEMANTIC = {"vector", "semantic"}
"""How a hit on other words is named."""

FOUND = {*SEMANTIC, "shared", "exact"}
"""The same, or the answer of an earlier try that missed."""

CACHELLM = "cachellm-proxy"

FEW = 0.9
"""Share of hits below which a row says so."""


def measure(bench: Bench) -> list[Row]:
    """The models alone, and hits that need them."""
    bench.say(NAME)
    pairs = list(itertools.product(DISHES, LANDS))[: A_ROUND * bench.rounds + 1]
    with ExitStack() as stack:
        similar = {"cache": {"judgement": {"verifier": "none"}}}
        made = {BARE: (NO_SESSION, similar), VERIFIED: (NO_SESSION,)}
        targets = []
        for number, (one, over) in enumerate(made.items()):
            directory = bench.directory / f"semantic{number}"
            target = Target(one, stack.enter_context(reprise(bench.api, directory, *over)))
            store(target, pairs)
            targets.append(target)
        others = stack.enter_context(_peers(bench, pairs))
        return _rounds(bench, [*targets, *others], pairs[1:])


@contextmanager
def _peers(bench: Bench, pairs: Sequence[tuple[str, str]]) -> Iterator[list[Target]]:
    """The one whose semantic tier runs here: with an embedder of words, made for its tests."""
    if bench.peers is None:
        yield []
        return
    home = bench.peers.absolute() / peers.FOLDERS[CACHELLM]
    try:
        with peers.cachellm(bench, home, caches=True) as made:
            target = replace(made, name=f"{CACHELLM}, words hashed for a vector")
            store(target, pairs)
            yield [target]
    except (NotStartedError, OSError) as error:
        bench.say(f"{CACHELLM} does not start: {error}")
        yield []


def store(target: Target, pairs: Sequence[tuple[str, str]]) -> None:
    """Ask all, and wait until rewordings find them."""
    bodies = (traffic.question(ASKED.format(*pair)) for pair in pairs)
    one_by_one(target.url, target.sent, bodies)
    first = traffic.question(REWORDED.format(*pairs[0]))

    def is_found() -> bool:
        [got] = one_by_one(target.url, target.sent, [first])
        return got.says("x-cache-tier") in FOUND

    until_sync(is_found, "the index")


def _rounds(bench: Bench, targets: Sequence[Target], pairs: Sequence[tuple[str, str]]) -> list[Row]:
    embedder = embedding.Model(embedding.MINILM, Card.read(embedding.MINILM))
    verifier = verifying.Model(verifying.SHIPPED, Card.read(verifying.SHIPPED))

    def embeds(pair: tuple[str, str]) -> object:
        return embedder.vector(pair[0])

    def verifies(pair: tuple[str, str]) -> object:
        return verifier.probability(*pair)

    def both(pair: tuple[str, str]) -> object:
        return embeds(pair), verifies(pair)

    alone = {
        EMBEDS: (embeds, 0.0),
        EMBEDS_PACED: (embeds, PACE_S),
        VERIFIES: (verifies, 0.0),
        BOTH_PACED: (both, PACE_S),
    }
    found: dict[str, list[dict[str, float]]] = {}
    troubles: dict[str, str] = {}
    for number in range(bench.rounds):
        part = pairs[number * A_ROUND : (number + 1) * A_ROUND]
        texts = [(REWORDED.format(*pair), ASKED.format(*pair)) for pair in part]
        for name, (run, pause_s) in alone.items():
            found.setdefault(name, []).append(_alone(run, texts, pause_s))
        for target in targets:
            values, trouble = _hits(target, [new for new, _ in texts])
            found.setdefault(target.name, []).append(values)
            if trouble:
                troubles[target.name] = trouble
    return [Row(NAME, one, turned(rounds), troubles.get(one, "")) for one, rounds in found.items()]


def _alone(
    run: Callable[[tuple[str, str]], object], texts: Sequence[tuple[str, str]], pause_s: float
) -> dict[str, float]:
    taken = []
    for text in texts:
        if pause_s:
            time.sleep(pause_s)
        began = time.perf_counter()
        run(text)
        taken.append(1e6 * (time.perf_counter() - began))
    return {"p50_us": statistics.median(taken)}


def _hits(target: Target, texts: Sequence[str]) -> tuple[dict[str, float], str]:
    pids = family(target.running.pid)
    before = cpu_s(pids)
    answers = one_by_one(target.url, target.sent, map(traffic.question, texts))
    spent = cpu_s(pids) - before
    hits = [one.whole_us for one in answers if one.says("x-cache-tier") in SEMANTIC]
    trouble = "" if len(hits) >= FEW * len(texts) else f"{len(hits)} hits of {len(texts)}"
    values = {
        "p50_us": statistics.median(hits) if hits else float("nan"),
        "cpu_us": 1e6 * spent / len(texts),
    }
    return values, trouble
