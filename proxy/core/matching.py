"""Which entries a rule of the operator's is about: by model, namespace, path and tag."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Patterns with `*`, `?` and `[...]`, case matters. All given must match; None matches all.

    Attributes:
        model, namespace: As the request names them.
        tag: Any tag of the entry's.
        path: Of the request, such as `/v1/responses`.
    """

    model: str | None = None
    namespace: str | None = None
    tag: str | None = None
    path: str | None = None

    def hold(self, *, model: str, namespace: str, path: str, tags: tuple[str, ...] = ()) -> bool:
        """Whether they do for such an entry."""
        return (
            _fits(self.model, model)
            and _fits(self.namespace, namespace)
            and _fits(self.path, path)
            and (self.tag is None or any(_fits(self.tag, tag) for tag in tags))
        )


def _fits(pattern: str | None, value: str) -> bool:
    return pattern is None or fnmatchcase(value, pattern)
