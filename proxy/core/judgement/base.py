"""The judge: may this neighbour's answer serve this question?"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.core.judgement.guards import ALL, Guard
from proxy.core.judgement.reading import Reading, read
from proxy.core.model import Accept, Reject, Verdict

__all__ = ["Guard", "Reading", "judge", "read"]


def judge(
    question: Reading,
    candidate: Reading,
    similarity: float,
    *,
    threshold: float,
    guards: Sequence[Guard] = ALL,
) -> Verdict:
    """Accepts the same text at once; else asks the threshold, then every guard in order.

    Args:
        question: The new question, read.
        candidate: The cached question, read.
        similarity: Their cosine, -1 to 1.
        threshold: The least similarity accepted.
        guards: The vetoes to ask.
    """
    if question.plain == candidate.plain:
        return Accept("same question")
    if not similarity >= threshold:
        return Reject(f"similarity {similarity:.3f} < {threshold:.3f}")
    for guard in guards:
        if (reason := guard.veto(question, candidate)) is not None:
            return Reject(reason)
    return Accept(f"similarity {similarity:.3f} >= {threshold:.3f}")
