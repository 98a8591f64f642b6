"""A veto over what is added: all that one question says, and more around it or in between.

So an answer is planted: the question that others ask, which makes it similar, and a text that makes
the origin say something else (key collision by appended text, arXiv 2601.23088). So does a question
that asks a second thing besides.
"""

from typing import Final

from proxy.core.judgement.reading import Reading
from proxy.core.judgement.residue import residue, shown
from proxy.core.judgement.stems import stem
from proxy.core.judgement.words import closed

ADDED: Final = 2
"""Words of content that make another question; one is often a mere detail: `(NLP)`, `briefly`."""

TELLING: Final = frozenset(
    map(
        stem, closed("say answer reply respond ignore disregard forget pretend output print repeat")
    )
)
"""Stems of verbs that tell how to answer: with one of them, few words are enough."""


def addition(new: Reading, old: Reading) -> str | None:
    """One question has all words of the other, in their order, and several of its own."""
    return _added(new, old, "new") or _added(old, new, "cached")


def _added(longer: Reading, shorter: Reading, side: str) -> str | None:
    if len(longer.sequence) < len(shorter.sequence) + ADDED:
        return None
    words = iter(longer.sequence)
    if not all(word in words for word in shorter.sequence):
        return None
    more = residue(longer.content, longer, shorter)
    telling = sorted((TELLING & longer.stems) - shorter.stems)
    if len(more) < ADDED and not telling:
        return None
    told = ", ".join(
        shown(key, longer) for key in (more if len(more) >= ADDED else telling)[:ADDED]
    )
    return f"addition {told} only in the {side} question"
