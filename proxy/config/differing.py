"""What another configuration changes, and how much of that can be followed without a restart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from proxy.config import problems
from proxy.config.interpolation import Place, dotted
from proxy.config.schema import Config
from proxy.config.section import Section, needs_restart, section_of
from proxy.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Difference:
    """Between the configuration that holds and another.

    Attributes:
        followed: The other, but for what needs a restart.
        changed: Keys whose value is another in it.
        needs_restart: Keys whose value in the other only a restart would follow.
    """

    followed: Config
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]


def difference(held: Config, other: Config) -> Difference:
    """What becomes of the one by the other.

    Raises:
        ConfigError: What needs a restart and what does not contradict each other as they are now.
    """
    if other.server.port == 0:  # any port will do: the one that it has
        server = other.server.model_copy(update={"port": held.server.port})
        other = other.model_copy(update={"server": server})
    places = list(_differing(held, other, ()))
    left = [place for place in places if holds_from_the_start(place)]
    followed = _checked(_with(other, held, left)) if left else other
    return Difference(
        followed,
        tuple(dotted(place) for place in places if place not in left),
        tuple(map(dotted, left)),
    )


def _differing(held: Section, other: Section, at: Place) -> Iterator[Place]:
    """Where the two have another value. Lists and tables are values, sections are not."""
    for key in type(held).model_fields:
        old, new = getattr(held, key), getattr(other, key)
        if isinstance(old, Section) and isinstance(new, Section):
            yield from _differing(old, new, (*at, key))
        elif old != new:
            yield (*at, key)


def holds_from_the_start(place: Place) -> bool:
    """Whether only a restart follows another value of this key."""
    model: type[Section] = Config
    for key in place:
        if needs_restart(model, str(key)):
            return True
        model = section_of(model, str(key)) or model
    return False


def _with(config: Config, held: Config, left: list[Place]) -> dict[str, Any]:
    """The configuration's values, with those of these places as they are held."""
    values, old = config.model_dump(), held.model_dump()
    for place in left:
        target, source = values, old
        for key in place[:-1]:
            target, source = target[str(key)], source[str(key)]
        target[str(place[-1])] = source[str(place[-1])]
    return values


def _checked(values: dict[str, Any]) -> Config:
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        found = problems.lines(Config, error.errors(), {})
        raise ConfigError([f"{line} (without a restart)" for line in found]) from None
