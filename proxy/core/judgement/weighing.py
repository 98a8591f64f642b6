"""Two witnesses heard together: the verifier that read both questions, and their similarity.

They err in different ways. A verifier trained on families of questions is unsure of a family that
it never saw, where the embedder, trained on a billion pairs, is not. So each unit of similarity
adds to the verifier's log-odds: a logistic regression with the verifier's weight fixed at one.
"""

from math import exp, log
from typing import Final

CENTRE: Final = 0.8
"""The similarity that speaks neither for nor against."""


def weighed(probability: float, similarity: float, lean: float) -> float:
    """The probability that one answer serves both, 0 to 1, after both were heard.

    What is certain stays certain: 0 is a pair that nobody could read, 1 the word of a judge that
    only says yes or no.

    Args:
        probability: The verifier's.
        similarity: Cosine, -1 to 1.
        lean: Log-odds for each unit of similarity; it belongs to an embedder, 0 ignores it.
    """
    if lean == 0 or not 0 < probability < 1:
        return probability
    odds = log(probability / (1 - probability)) + lean * (similarity - CENTRE)
    share = exp(-abs(odds))
    return (1 if odds > 0 else share) / (1 + share)
