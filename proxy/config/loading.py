"""From a file and the environment to a `Config`, or to every problem found, one line each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from proxy.config import problems
from proxy.config.interpolation import Interpolation, Place
from proxy.config.reading import read_file
from proxy.config.schema import Config
from proxy.errors import ConfigError

FILE_VARIABLE = "CONFIG"
"""Names the file when the caller does not."""

OVERRIDES = {
    "HOST": ("server", "host"),
    "PORT": ("server", "port"),
    "WORKERS": ("server", "workers"),
    "OPENAI_BASE_URL": ("upstream", "base_url"),
    "REDIS_URL": ("cache", "shared", "url"),
    "ADMIN_TOKEN": ("admin", "token"),
}
"""Variables that win over the file, for a container that has none. An empty one is not set."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration comes from, to be read more than once.

    Attributes:
        path, environ: As `load` takes them.
    """

    path: Path | None
    environ: Mapping[str, str]

    @property
    def file(self) -> Path | None:
        """The file; None where there is none."""
        named = self.environ.get(FILE_VARIABLE)
        return self.path or (Path(named) if named else None)

    def read(self) -> Config:
        """The configuration as it is there now. Raises ConfigError."""
        return load(self.path, self.environ)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration: defaults, the file over them, the environment over both.

    Args:
        path: The file; None takes the one that `CONFIG` names, or the defaults alone.
        environ: The environment.

    Raises:
        ConfigError: The file cannot be read, or something in it cannot be used.
    """
    path = Source(path, environ).file
    interpolation = Interpolation(environ)
    try:
        data = interpolation.fill(read_file(path)) if path is not None else {}
    except RecursionError:
        raise ConfigError([f"{path}: nests too deeply, or holds itself by an anchor"]) from None
    if interpolation.problems:
        raise ConfigError(interpolation.problems)
    sources = {**interpolation.sources, **_override(data, environ)}
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        # Not chained: pydantic's own text quotes values, and one of them may be a secret.
        raise ConfigError(problems.lines(Config, error.errors(), sources)) from None


def _override(data: dict[str, Any], environ: Mapping[str, str]) -> dict[Place, str]:
    """Writes the overrides into the data; returns which variable each path came from."""
    return {
        path: variable
        for variable, path in OVERRIDES.items()
        if environ.get(variable) and _set(data, path, environ[variable])
    }


def _set(data: dict[str, Any], path: tuple[str, ...], value: str) -> bool:
    """Set it, unless a section on the way is no mapping: that is a problem of its own."""
    section: object = data
    for key in path[:-1]:
        if not isinstance(section, dict):
            return False
        if section.get(key) is None:
            section[key] = {}
        section = section[key]
    if not isinstance(section, dict):
        return False
    section[path[-1]] = value
    return True
