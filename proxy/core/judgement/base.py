"""The judge: may this neighbour's answer serve this question?"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from proxy.core.judgement import reading
from proxy.core.judgement.guards import ALL, Guard
from proxy.core.judgement.reading import Reading
from proxy.core.judgement.verdict import Accept, Doubt, Reject, Verdict

__all__ = ["Guard", "Reading", "judge", "read"]


REMEMBERED: Final = 1024
"""Readings kept: a popular cached question is a candidate again and again."""


@lru_cache(maxsize=REMEMBERED)
def read(question: str) -> Reading:
    """Reads a question, or remembers it. Never fails, whatever the text."""
    return reading.read(question)


def judge(
    question: Reading,
    candidate: Reading,
    similarity: float,
    *,
    threshold: float,
    guards: Sequence[Guard] = ALL,
    is_verified: bool = False,
) -> Verdict:
    """Accepts the same text at once; else asks the threshold, then every guard in order.

    What passes them all is accepted where nothing verifies, and in doubt where something does.

    Args:
        question: The new question, read.
        candidate: The cached question, read.
        similarity: Their cosine, -1 to 1.
        threshold: The least similarity accepted.
        guards: The vetoes to ask.
        is_verified: A verifier has the last word, so that passing is not enough.
    """
    if question.plain == candidate.plain:
        return Accept("same question")
    if not similarity >= threshold:
        return Reject(f"similarity {similarity:.3f} < {threshold:.3f}")
    for guard in guards:
        if (reason := guard.veto(question, candidate)) is not None:
            return Reject(reason, guard.name)
    reason = f"similarity {similarity:.3f} >= {threshold:.3f}"
    return Doubt(reason) if is_verified else Accept(reason)
