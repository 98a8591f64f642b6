"""Vetoes over what no earlier answer can stand for: the asker's own state now, and errands.

The same words asked again are not looked at here. They are an exact repeat, whose age is for the
lifetime rules to bound; a rewording only adds the doubt of meaning to the doubt of age.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

from proxy.core.judgement.reading import Reading
from proxy.core.judgement.words import INTERROGATIVES, PERIODS, closed

NOW: Final = closed("current currently today pending")
RIGHT_NOW: Final = frozenset({("right", "now"), ("the", "moment"), ("this", "moment")})
OWN: Final = closed("my mine our ours")
HOLDING: Final = frozenset({("i", "have"), ("i", "owe"), ("we", "have"), ("we", "owe")})
ADVICE: Final = closed("should how why if")
"""Who asks what to do does not ask how things stand."""

ERRANDS: Final = closed(
    "lock unlock block unblock freeze unfreeze cancel close transfer send pay withdraw deposit "
    "raise increase lower reserve book order buy sell redeem activate deactivate dispute renew "
    "schedule reschedule suspend stop start subscribe unsubscribe submit enroll register report "
    "turn switch"
)
"""Verbs of what is done for the asker, and not just said."""
OPENINGS: Final = closed(
    "please kindly hi hello hey can could would will you i we want need like to d just now"
)
"""Words before the verb of a request."""


def moment(new: Reading, old: Reading) -> str | None:
    """What the asker has or owes at this moment: `my current balance`, `what I owe right now`."""
    return _either(new, old, _live, 'moment: "{}" asks how the asker\'s own things stand')


def errand(new: Reading, old: Reading) -> str | None:
    """Something to be done to what is the asker's own: `block my card`."""
    return _either(new, old, _errand, 'errand: "{}" is to be done, not answered')


def _either(new: Reading, old: Reading, find: Callable[[Reading], str], reason: str) -> str | None:
    if new.plain == old.plain:
        return None
    word = find(new) or find(old)
    return reason.format(word) if word else None


def _live(reading: Reading) -> str:
    words = reading.words
    follow = tuple(pairwise((*words, "")))
    held = "do" in words and not HOLDING.isdisjoint(follow)
    if not (held or not OWN.isdisjoint(words)) or not ADVICE.isdisjoint(_after_much(words)):
        return ""
    if not RIGHT_NOW.isdisjoint(follow):
        return "right now"
    return next((one for one, two in follow if one in NOW and two not in PERIODS), "")


def _after_much(words: tuple[str, ...]) -> list[str]:
    """The words, but for the `how` of `how much` and `how many`."""
    return [
        one for one, two in pairwise((*words, "")) if one != "how" or two not in {"much", "many"}
    ]


def _errand(reading: Reading) -> str:
    words = reading.words
    if OWN.isdisjoint(words) or not INTERROGATIVES.isdisjoint(words):
        return ""
    verb = next((word for word in words if word not in OPENINGS), "")
    return verb if verb in ERRANDS else ""
