"""Entries whose question is like a text, the nearest first, whoever asked it and of which model.

Found are those that the index has: an entry that only its own question may find is not there.
"""

from collections.abc import Callable
from typing import Final

from proxy.core.cataloguing import Description
from proxy.core.model import Vector
from proxy.errors import BadRequestError, UnavailableError
from proxy.parts.semantic import Meaning
from proxy.resilience import Deadline
from proxy.runtime import Runtime
from proxy.web.admin.asked import away

SETTLING_S: Final = 1.0
"""How long what is just being written is waited for."""

LOOKED_AT: Final = 1000
"""The nearest questions that are looked at where not every one is meant."""


async def nearest(
    runtime: Runtime,
    text: str,
    at_least: float,
    limit: int,
    *,
    meant: Callable[[Description], bool] | None,
) -> list[tuple[Description, float]]:
    """At most `limit` entries and their similarity, best first.

    Args:
        runtime: Whose.
        text: What they are like.
        at_least: The least cosine.
        limit: The most of them.
        meant: Which of the nearest are told; None for all.

    Raises:
        BadRequestError: The text is blank, or longer than the embedder reads.
        UnavailableError: Nothing is indexed here, or a part of the cache cannot be reached.
    """
    meaning = runtime.meaning
    if meaning is None:
        raise UnavailableError(
            "Questions are not indexed here: cache.vector is off, or there is no embedder.",
            code="no_semantic_tier",
        )
    with away():
        await runtime.writing.idle(Deadline(SETTLING_S))
        await runtime.upkeep.catch_up()
        vector = await _vector(meaning, text)
        most = limit if meant is None else LOOKED_AT
        near = await meaning.index.near(vector, at_least, most)
        found: list[tuple[Description, float]] = []
        for one in near:
            told = await runtime.catalogue.find(one.entry_id)
            if told is not None and (meant is None or meant(told)):
                found.append((told, one.similarity))
                if len(found) == limit:
                    break
    return found


async def _vector(meaning: Meaning, text: str) -> Vector:
    vector = await meaning.embedder.embed(text)
    if vector is None:
        raise BadRequestError(
            "like: is blank, or longer than the embedder reads.",
            param="like",
            code="invalid_selector",
        )
    return vector
