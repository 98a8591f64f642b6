"""Which origin a request goes to: by its path, else by the model it names."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

DEFAULT: Final = ""
"""The name of the origin that answers all that no other does."""

API_ROOT: Final = "/v1"
"""Where callers find the API; an origin's own root is in its base URL."""


@dataclass(frozen=True, slots=True)
class Route:
    """What goes to one origin.

    Attributes:
        name: The origin's.
        models: Names or patterns; empty where only the path decides.
        prefix: Beginning of a path, such as `/ollama`; None where only the model decides.
    """

    name: str
    models: tuple[str, ...] = ()
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one request goes.

    Attributes:
        origin: Its name.
        path: Below the origin's base, with the query, as the caller wrote it.
        by_path: The path chose the origin; a model has no say.
    """

    origin: str
    path: str
    by_path: bool = False


class Routes:
    """All routes, in the order they are tried."""

    def __init__(self, routes: Sequence[Route] = ()) -> None:
        self._by_prefix = {one.prefix: one.name for one in routes if one.prefix is not None}
        self._by_model = [(pattern, one.name) for one in routes for pattern in one.models]

    @property
    def prefixes(self) -> Sequence[str]:
        """Every path prefix."""
        return tuple(self._by_prefix)

    def of(self, path: str) -> Destination:
        """Where a path goes, given as it stands in the request line.

        A leading `/v1` stands for the origin's root, behind a prefix too.
        """
        head, slash, rest = path[1:].partition("/")
        name = self._by_prefix.get(f"/{head}")
        below = path if name is None else slash + rest
        if below == API_ROOT or below.startswith(f"{API_ROOT}/"):
            below = below.removeprefix(API_ROOT)
        return Destination(name or DEFAULT, below, by_path=name is not None)

    def for_model(self, destination: Destination, model: str) -> Destination:
        """The same, once the model is known."""
        if destination.by_path:
            return destination
        for pattern, name in self._by_model:
            if fnmatchcase(model, pattern):
                return Destination(name, destination.path)
        return destination
