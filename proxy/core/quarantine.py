"""Quarantine: whether an answer that somebody else has asked for was confirmed by another one.

Where callers share answers without trusting one another, one of them may ask a question that is
like everybody's and makes the origin say what he wants. So his answer waits: who asks a question
like it gets an answer of his own, and the two are compared. Only if they agree does it serve others
from then on. Its own question, word for word, has its answer from the beginning: whoever repeats it
asks for just that.
"""

from typing import Final

from proxy.core.model import Caller, Entry

QUARANTINED: Final = "quarantined"
"""The reason of a miss that could have been a hit on somebody else's answer."""


def is_quarantined(entry: Entry, caller: Caller) -> bool:
    """Whether this is somebody else's answer to the caller, and nothing has confirmed it.

    An answer of which nobody knows who asked for it is somebody else's to everybody.
    """
    return not entry.confirmed and (not entry.principal or entry.principal != caller.principal)
