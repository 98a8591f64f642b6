"""Plans of traffic: who asks what, and when. Pure."""

import random
from dataclasses import dataclass
from typing import Final

from tests.faults.traffic import Ask, reworded
from tests.load.origin import SLOWLY

TENANTS: Final = ("sk-one", "sk-two", "sk-three")
KNOWN: Final = 20
"""Questions that are asked again and again, by each tenant."""

WORDS: Final = ("water", "energy", "market", "price", "people", "house", "green", "city", "river")
LENGTH: Final = 180
"""Words: with the rest of the question about 200 tokens."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests over time.

    Attributes:
        name: What the report calls it.
        rate: Requests a second, on the average.
        burst: How many of them come at once.
        long_rate: New questions of 200 tokens a second beside them.
        slow: Callers beside them who read, and who write, slowly.
    """

    name: str
    rate: float
    burst: int = 1
    long_rate: float = 0.0
    slow: int = 0

    def due(self, number: int) -> float:
        """When the request of that number is sent, seconds after the beginning."""
        return number // self.burst * self.burst / self.rate


def mixed(number: int) -> Ask:
    """Of ten requests four repeats, two in another session, a rewording, and three new questions,
    one of them of a caller whom nobody has seen.

    Half of all are streams; one in two hundred is a stream that takes some seconds.
    """
    key, known = (
        TENANTS[number % 3],
        f"What does chapter {number // 3 % KNOWN} of the handbook do for me?",
    )
    stream = number % 2 == 0
    if number % 200 == 199:
        return Ask(key, f"{SLOWLY}how do I repair machine {number}?", stream=True)
    match number * 7 % 10:
        case 0 | 1 | 2 | 3:
            return Ask(key, known, stream=stream)
        case 4 | 5:
            return Ask(key, known, stream=stream, session=f"session-{number}")
        case 6:
            return Ask(key, reworded(known, 1 + number % 4095), stream=stream)
        case kind:
            key = key if kind < 9 else f"sk-{number}"
            return Ask(key, f"How do I clean thing number {number}?", stream=stream)


def long(number: int) -> Ask:
    """A new question of 200 tokens, which has to be embedded."""
    rng = random.Random(number)
    words = " ".join(rng.choice(WORDS) for _ in range(LENGTH))
    return Ask(TENANTS[number % 3], f"How do I use item number {number} with {words}?")
