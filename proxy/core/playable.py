"""Whether an answer from elsewhere can be given to callers: as an object, and as a stream.

What this program has stored can be, as it was read when it came. Of what is imported nobody knows.
"""

from collections.abc import Iterable
from typing import Final

from proxy.core.canonical import loads
from proxy.core.dialects.base import Dialect, Json, Stamp
from proxy.core.dialects.embeddings_answer import put_together
from proxy.core.model import Answer
from proxy.core.stream import replay

_FAULTS: Final = (ValueError, LookupError, TypeError, AttributeError)
"""What dialects raise at a shape that they do not know."""

_STAMP: Final = Stamp("none", 0)


def why_not(answer: Answer, dialects: Iterable[Dialect]) -> str | None:
    """Why it cannot be, for a person, never quoting it; None where it can.

    An entry does not say of which API it is: one that its shape fits must be able to play it.

    Args:
        answer: Its body is a JSON object.
        dialects: Of every API whose answers are kept.
    """
    told = loads(answer.body)
    if isinstance(told.get("data"), list):
        return _why_no_embedding(answer)
    faults = [_fault(one, answer, told) for one in dialects if _fits(one, told)]
    if not faults:
        return "is no answer of an API that is cached"
    return None if None in faults else faults[0]


def _fits(dialect: Dialect, told: Json) -> bool:
    return told.get("error") is None and dialect.is_answer(told)


def _fault(dialect: Dialect, answer: Answer, told: Json) -> str | None:
    try:
        if dialect.facts(told).empty:
            return f"says nothing that {dialect.path} knows"
        dialect.refresh(answer.body, _STAMP)
        if not _is_stream(dialect, answer, told):
            return f"has frames that are no whole stream of {dialect.path}"
    except _FAULTS:
        return f"cannot be replayed as an answer of {dialect.path}"
    return None


def _is_stream(dialect: Dialect, answer: Answer, told: Json) -> bool:
    """Whether it can be streamed, so that a reader who knows the API understands all of it."""
    for _ in replay(dialect, answer, _STAMP, include_usage=True):
        pass
    progress = dialect.watch()
    for frame in answer.frames or tuple(dialect.unfold(told, include_usage=True)):
        progress.feed(frame)
    if dialect.end_marker:
        progress.feed(dialect.end_marker)
    if answer.frames and not progress.is_complete:
        return False
    progress.answer()
    return True


def _why_no_embedding(answer: Answer) -> str | None:
    try:
        put_together([answer], "float", _STAMP)
        put_together([answer], "base64", _STAMP)
    except _FAULTS:
        return "cannot be replayed as an embedding"
    return None
