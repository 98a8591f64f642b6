"""How the policies keep a bound on wrong hits in made-up worlds: `python bench/bounds.py [seeds]`.

A stream of one's own is replayed by `reprise simulate`. Here the truth is known exactly, and can be
made to break what a policy assumes.
"""

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp

from proxy.core.replaying import Decider, Policy, Tally

REQUESTS = 6000
EXPLORE = 0.02


@dataclass(frozen=True)
class World:
    """Candidates that the judge would serve.

    Attributes:
        odds: Mean log-odds that the verifier gives; the spread is 2.
        entries: How many, by falling popularity: few are asked for again and again.
        spread: Of the entries' own log-odds, which the verifier does not see.
        bad: Share of entries whose answers are wrong for nearly every rewording.
        lapse: Share of answers that are wrong whatever the score.
    """

    name: str
    odds: float = 4.0
    entries: int = 800
    spread: float = 0.0
    bad: float = 0.0
    lapse: float = 0.0

    def requests(self, seed: int) -> Iterator[tuple[str, float, bool]]:
        """(entry, score, whether its answer is right)."""
        draws = random.Random(seed)
        places = list(range(self.entries))
        weights = [1 / (1 + place) ** 0.9 for place in places]
        own = [-6.0 if draws.random() < self.bad else draws.gauss(0.5, self.spread) for _ in places]
        for place in draws.choices(places, weights, k=REQUESTS):
            odds = max(0.0, draws.gauss(self.odds, 2.0))
            likely = (1 - self.lapse) / (1 + exp(-odds - own[place]))
            yield str(place), 1 / (1 + exp(-odds)), draws.random() < likely


WORLDS = (
    World("as assumed"),
    World("a good verifier", odds=6.0),
    World("long tail", odds=6.0, entries=5000),
    World("unlike entries", spread=1.5, bad=0.05),
    World("a hundred entries", entries=100, spread=1.5, bad=0.1),
    World("wrong at any score", lapse=0.03),
)


def replay(world: World, policy: Policy, bound: float, seed: int) -> Tally:
    decider, draws, tally = Decider(policy, bound, EXPLORE), random.Random(seed), Tally()
    for entry, score, right in world.requests(seed):
        is_served, advice = decider.decide(entry, score, draws.random())
        if is_served:
            tally += Tally(requests=1, served=1, wrong=int(not right))
        else:
            decider.learn(entry, score, advice, right=right)
            tally += Tally(requests=1, explored=1)
    return tally


def main(seeds: int) -> None:
    print("| world | bound | policy | served | wrong per request | wrong per hit | worst replay |")
    print("|---|---|---|---|---|---|---|")
    for world in WORLDS:
        for bound in (0.01, 0.05):
            for policy in Policy:
                tallies = [replay(world, policy, bound, seed) for seed in range(seeds)]
                total = sum(tallies, Tally())
                shares = [one.wrong / one.served for one in tallies if one.served]
                cells = [world.name, f"{bound:.0%}", policy.value]
                cells += [f"{total.served / total.requests:.1%}"]
                cells += [f"{total.wrong / total.requests:.2%}"]
                cells += [f"{total.wrong / total.served:.2%}" if total.served else "-"]
                cells += [f"{max(shares):.2%}" if shares else "-"]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
