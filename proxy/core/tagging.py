"""Tags that the operator's rules give to what is stored, beside those that callers give."""

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.core.matching import Conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRule(Conditions):
    """Tags for some entries."""

    tags: tuple[str, ...]


def tagged(
    own: tuple[str, ...], rules: Sequence[TagRule], *, model: str, namespace: str, path: str
) -> tuple[str, ...]:
    """The caller's own tags, then those of all rules that hold; each once.

    A rule by tag sees the caller's tags, not those of other rules: their order says nothing.
    """
    added = (
        tag
        for rule in rules
        if rule.hold(model=model, namespace=namespace, path=path, tags=own)
        for tag in rule.tags
    )
    return tuple(dict.fromkeys((*own, *added)))
