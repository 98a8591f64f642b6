"""Which similarity is enough, by embedder. Scales differ: no number carries over to another model.

These are what ships; `reprise calibrate` finds them for an embedder, and questions, of one's own.
Known are embedders that we measured, or for which somebody published a safe start. Any other starts
with the strictest of these, and a warning (`is_guess`): a wrong answer costs more than a miss.

How a shipped threshold was measured. On labelled pairs, with every guard on, take the share of
pairs with different answers that would be served, set by set; the threshold is the lowest multiple
of 0.01 at which the median of these shares over the sets is at most `BUDGET`. A median, because
some sets hold nothing but traps that no similarity separates, and a mean would be theirs alone.
"""

from dataclasses import dataclass
from typing import Final

BUDGET: Final = 0.05
"""Median share of traps that may be served."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold and what it rests on.

    Attributes:
        threshold: The least similarity accepted when every guard is on and nothing verifies.
        floor: The least similarity that is put to a verifier: below it nothing is served.
        lean: How much the similarity adds to a verifier's word: see `weighing`.
        source: Where the numbers come from.
        is_guess: Nobody measured this embedder: calibrate before trusting it.
    """

    threshold: float
    floor: float
    source: str
    lean: float = 0.0
    is_guess: bool = False


_SHIPPED: Final = {
    # Ours, over eleven sets with 19,900 pairs (templated minimal pairs, word swaps, opposite
    # commands, banking, maths stories, assistant commands, search prompts, forum questions). The
    # rule above would allow 0.85: median wrong share 4.8 % there, 2.8 % at 0.88, and 56 % at 0.85
    # unguarded. What earlier, fewer guards needed is kept: where this decides, nothing comes after.
    # Floor and lean are the verifier's: the table in training/verifier/README.md.
    "minilm-l6-v2-int8": Calibration(
        0.88, 0.70, "measured on eleven labelled sets with every guard", lean=10.0
    ),
    # The safe start published for this model without guards; not measured by us with them.
    "openai:text-embedding-3-small:1536": Calibration(
        0.92, 0.92, "published safe start, unguarded"
    ),
    # No safe start is published for it: the stricter of the two that are for its kind is assumed.
    "openai:text-embedding-3-large:3072": Calibration(
        0.95, 0.95, "no measurement known", is_guess=True
    ),
}

UNKNOWN: Final = Calibration(
    0.965, 0.965, "unknown embedder: the strictest safe start known", is_guess=True
)
"""The highest of the published safe starts, that of bge-small."""


def calibration(embedder: str) -> Calibration:
    """The calibration of an embedder's id, by whole parts: `model-digest` is its `model`."""
    for known, found in _SHIPPED.items():
        if embedder == known or embedder.startswith((f"{known}-", f"{known}:")):
            return found
    return UNKNOWN
