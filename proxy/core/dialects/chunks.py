"""A whole answer of choices as a stream's chunks: one choice after the other, then the usage."""

from collections.abc import Callable, Iterable

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Json
from proxy.core.dialects.choices import CHUNK_ONLY

Parts = Callable[[Json, int], Iterable[Json]]
"""(a choice, its position in the answer) -> its parts of the chunks, in order."""


def unfold(answer: Json, kind: str, parts: Parts, *, include_usage: bool) -> list[bytes]:
    """The answer's chunks, without the end marker.

    Fields that nobody knows come with every chunk; lists and objects, which may be large, with the
    first and the last.

    Args:
        answer: What the origin said.
        kind: A chunk's `object`.
        parts: Cuts a choice.
        include_usage: End with the usage in a chunk of its own; `null` in all others.
    """
    head = _head(answer, kind)
    if include_usage and "usage" in answer:
        head["usage"] = None
    chunks = [
        {**head, "choices": [part]}
        for position, choice in enumerate(answer.get("choices") or ())
        if isinstance(choice, dict)
        for part in parts(choice, position)
    ]
    if include_usage and answer.get("usage") is not None:
        chunks.append({**head, "choices": [], "usage": answer["usage"]})
    chunks = chunks or [{**head, "choices": []}]
    heavy = {
        name: value
        for name, value in answer.items()
        if name not in head and name not in CHUNK_ONLY and name != "usage"
    }
    chunks[0].update(heavy)
    chunks[-1].update(heavy)
    return [dumps(chunk) for chunk in chunks]


def _head(answer: Json, kind: str) -> Json:
    """What every chunk carries."""
    told = CHUNK_ONLY | {"usage"}
    light = {
        name: value
        for name, value in answer.items()
        if name not in told and not isinstance(value, dict | list)
    }
    return {**light, "object": kind}


def usage_frame(answer: Json, kind: str) -> bytes | None:
    """The chunk that tells the usage, after all others; None when it is not known."""
    if answer.get("usage") is None:
        return None
    return dumps({**_head(answer, kind), "choices": [], "usage": answer["usage"]})
