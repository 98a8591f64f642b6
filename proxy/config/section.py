"""What every section of the configuration is made of.

Rules of the package: every key has a default, a bound where one makes sense, its unit in its name
or text, and a docstring; an unknown key is an error; a section is frozen once read. Sections hold
plain values: nothing here opens, connects or imports an adapter.
"""

import re
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Secret,
    ValidationInfo,
    field_validator,
    model_validator,
)

T = TypeVar("T")


class _AtStart:
    """Marks a key that holds from the start of the program to its end."""


AtStart = Annotated[T, _AtStart()]
"""The value of a key that another file changes only by a restart; all other keys can be reloaded.

A whole section may be one. It is for what the program is built on: addresses, files, connections.
"""

HIDDEN = "**********"
"""What stands for a secret wherever the configuration is shown."""

_QUERY_PASSWORD = re.compile(r"([?&][a-z_]*password=)[^&]*", re.IGNORECASE)

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=128)]
"""A token, as RFC 9110, 5.1 has it."""


class Section(BaseModel):
    """One mapping of the file."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_section(cls, data: object) -> object:
        """A section of which every line is commented out reads as null, and means the defaults."""
        if not isinstance(data, Mapping):
            return data
        return {
            key: value
            for key, value in data.items()
            if value is not None or section_of(cls, str(key)) is None
        }

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """`port: yes` would be port 1: a switch is never meant as a number."""
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool) and not {int, float}.isdisjoint(alternatives(field.annotation)):
            raise ValueError("must be a number, not a switch")
        return value


def alternatives(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - annotations have no type
    """The types a field may have: `int | None` gives both."""
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)


def section_of(model: type[Section], key: str) -> type[Section] | None:
    """The section behind a key, or None when the key holds plain values or does not exist."""
    field = model.model_fields.get(key)
    kind = field.annotation if field is not None else None
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def needs_restart(model: type[Section], key: str) -> bool:
    """Whether a key's value, or all of a section's, holds from the start of the program."""
    return any(isinstance(mark, _AtStart) for mark in model.model_fields[key].metadata)


def split_url(text: str) -> SplitResult:
    """A URL in parts. Raises ValueError, without quoting the URL: it may hold a password."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    return parts


def _http(text: str) -> str:
    parts = split_url(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL like https://host/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password: give the key as api_key")
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or fragment: paths are appended to it")
    return text.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http)]
"""The base of an HTTP API, without a slash at its end."""


class SecretUrl(Secret[str]):
    """A URL that is shown without its password."""

    def _display(self) -> str:
        text = _QUERY_PASSWORD.sub(rf"\1{HIDDEN}", self.get_secret_value())
        netloc = text.partition("://")[2].partition("/")[
            0
        ]  # of several hosts, which are no one URL
        user, _, host = netloc.rpartition("@")
        name, colon, _ = user.partition(":")
        return text.replace(netloc, f"{name}:{HIDDEN}@{host}", 1) if colon else text
