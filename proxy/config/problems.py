"""pydantic's errors in plain words: one line a problem, `cache.vector.threshold: 1.2 is above 1`.

A value is quoted only where it cannot be a secret: a number, or a wrong word out of a fixed few.
One that came from a variable is never quoted; the variable is named instead.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic_core import ErrorDetails

from proxy.config.interpolation import Place, dotted
from proxy.config.section import Section

_BOUNDS = {
    "greater_than": ("gt", "is not above"),
    "greater_than_equal": ("ge", "is below"),
    "less_than": ("lt", "is not below"),
    "less_than_equal": ("le", "is above"),
}

_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "string": "text (quote it)",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
    "model": "a section",
    "path": "a path",
}

_OTHERS = {
    "string_too_short": "is too short",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "has characters that are not allowed",
    "int_from_float": "must be a whole number",
    "missing": "is missing",
}


def lines(
    model: type[Section], errors: Iterable[ErrorDetails], sources: Mapping[Place, str]
) -> list[str]:
    """One line an error, in the schema's order.

    Args:
        model: The root section.
        errors: What pydantic found.
        sources: The variable a value came from, by its path.
    """
    return [_line(model, error, sources.get(_path(error))) for error in errors]


def _line(model: type[Section], error: ErrorDetails, source: str | None) -> str:
    name = dotted(_path(error)) + (f" (from {source})" if source else "")
    return f"{name}: {_words(model, error, quote=source is None)}"


def _path(error: ErrorDetails) -> Place:
    """The location, without the tags of alternatives, which stand in angle brackets."""
    path = error["loc"] + tuple(error.get("ctx", {}).get("at", ()))
    return tuple(part for part in path if isinstance(part, int) or not part.startswith("<"))


def _words(model: type[Section], error: ErrorDetails, *, quote: bool) -> str:
    kind, value = error["type"], error["input"]
    context: dict[str, Any] = error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(model, error["loc"])
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"{_quoted(value, quote=quote)} {words} {context[bound]:.15g}"
    if kind == "literal_error":
        return f"{_quoted(value, quote=quote)} is not one of {_choices(context['expected'])}"
    if kind == "value_error":
        return str(context["error"])
    if kind in _OTHERS:
        return _OTHERS[kind]
    wanted = _KINDS.get(kind.partition("_")[0])
    return f"must be {wanted}" if wanted else error["msg"]


def _choices(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")


def _quoted(value: object, *, quote: bool) -> str:
    """The value, or what stands for it; a long text is no slip of the pen and may be anything."""
    if isinstance(value, str) and (not quote or len(value) > 32):  # noqa: PLR2004 - no word is longer
        return "the value"
    return str(value) if quote or isinstance(value, str) else "the value"


def _unknown(model: type[Section], location: Place) -> str:
    section: type[Section] | None = model
    for part in location[:-1]:
        # A place in a list, or a key the operator chose, stays in the section of the elements.
        if section is not None and part in section.model_fields:
            section = _section_in(section.model_fields[str(part)].annotation)
    close = get_close_matches(str(location[-1]), section.model_fields, n=1) if section else []
    return "unknown key" + (f", did you mean {close[0]}?" if close else "")


def _section_in(annotation: Any) -> type[Section] | None:  # noqa: ANN401 - annotations have no type
    """The section that a field is, or is a list or mapping of."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)
