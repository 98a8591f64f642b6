"""The request headers that steer the cache (RFC 9111, 5.2.1; RFC 5861, 4; and a few of ours).

An unknown directive is ignored, as the RFC asks. A known one that cannot be read is the caller's
error: serving from a cache that was told something else would be worse than saying so.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from proxy.core.model import Directives
from proxy.errors import BadRequestError

MAX_DELTA_S: Final = 2**31
"""RFC 9111, 1.2.2: a larger number of seconds means this one."""

MAX_TAGS: Final = 32
_DIRECTIVE = re.compile(
    r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^,\s]*))?\s*'
)
_NAME = re.compile(r"[A-Za-z0-9_.:/@-]{1,128}")
_SESSION = re.compile(r"[!-~]{1,256}")
_DECIMAL = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_DELTA = re.compile(r"0*([0-9]+)")

NAMES: Final = frozenset(
    {
        "x-cache-mode",
        "x-cache-namespace",
        "x-cache-tags",
        "x-cache-threshold",
        "x-cache-ttl",
        "x-session-id",
    }
)
"""Headers of ours: meant for this proxy, and not forwarded."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a request may go.

    Attributes:
        threshold: The similarity required without a word from the caller; None when unknown.
        allow_looser: A caller may ask for less than that.
    """

    threshold: float | None = None
    allow_looser: bool = False


def parse(headers: Mapping[str, str], limits: Limits = Limits()) -> Directives:
    """What the headers (lower-case names) ask for. Raises BadRequestError, naming the header."""
    asked = Directives(
        ttl=_ttl(headers.get("x-cache-ttl")),
        threshold=_threshold(headers.get("x-cache-threshold"), limits),
        namespace=_name("x-cache-namespace", headers.get("x-cache-namespace")),
        tags=_tags(headers.get("x-cache-tags")),
    )
    asked = _with_mode(asked, headers.get("x-cache-mode"))
    return _with_cache_control(asked, headers.get("cache-control"))


def session(headers: Mapping[str, str]) -> str:
    """Which session the caller is in; "" is the tenant's default one. Raises BadRequestError."""
    value = headers.get("x-session-id", "").strip()
    if value and not _SESSION.fullmatch(value):
        raise _refuse("x-session-id", value, "must be 1 to 256 visible ASCII characters")
    return value


def _refuse(header: str, value: str, why: str) -> BadRequestError:
    return BadRequestError(
        f"{header}: {value[:80]!r} {why}", param=header, code="invalid_cache_directive"
    )


def _name(header: str, value: str | None) -> str:
    value = (value or "").strip()
    if value and not _NAME.fullmatch(value):
        raise _refuse(header, value, "must be 1 to 128 of A-Z a-z 0-9 _ . : / @ -")
    return value


def _tags(value: str | None) -> tuple[str, ...]:
    tags = [_name("x-cache-tags", tag) for tag in (value or "").split(",")]
    unique = tuple(dict.fromkeys(filter(None, tags)))
    if len(unique) > MAX_TAGS:
        raise _refuse("x-cache-tags", value or "", f"has more than {MAX_TAGS} tags")
    return unique


def _number(header: str, value: str) -> float:
    value = value.strip()
    if not _DECIMAL.fullmatch(value):
        raise _refuse(header, value, "is not a number")
    return float(value)


def _ttl(value: str | None) -> float | None:
    if value is None:
        return None
    seconds = _number("x-cache-ttl", value)
    if seconds <= 0:
        raise _refuse("x-cache-ttl", value, "is not above 0")
    return min(seconds, MAX_DELTA_S)


def _threshold(value: str | None, limits: Limits) -> float | None:
    if value is None:
        return None
    threshold = _number("x-cache-threshold", value)
    if not 0 <= threshold <= 1:
        raise _refuse("x-cache-threshold", value, "is not between 0 and 1")
    if limits.threshold is None or limits.allow_looser:
        return threshold
    return max(threshold, limits.threshold)


def _with_mode(asked: Directives, value: str | None) -> Directives:
    match (value or "semantic").strip().lower():
        case "semantic":
            return asked
        case "exact":
            return replace(asked, semantic=False)
        case "off":
            return replace(asked, read=False, write=False)
        case "shadow":
            return replace(asked, shadow=True)
        case _:
            raise _refuse("x-cache-mode", value or "", "is not off, exact, semantic or shadow")


def _with_cache_control(asked: Directives, value: str | None) -> Directives:
    if not value:
        return asked
    found: dict[str, list[str | None]] = {}
    for name, argument in _split(value):
        found.setdefault(name, []).append(argument)
    if "no-store" in found:
        asked = replace(asked, read=False, write=False)
    if "no-cache" in found:
        asked = replace(asked, read=False)
    if "max-age" in found:
        asked = replace(asked, max_age=min(_seconds("max-age", v) for v in found["max-age"]))
    if "min-fresh" in found:
        asked = replace(asked, min_fresh=max(_seconds("min-fresh", v) for v in found["min-fresh"]))
    if "max-stale" in found:
        seconds = (math.inf if v is None else _seconds("max-stale", v) for v in found["max-stale"])
        asked = replace(asked, max_stale=min(seconds))
    if "stale-if-error" in found:
        seconds = (_seconds("stale-if-error", v) for v in found["stale-if-error"])
        asked = replace(asked, stale_if_error=min(seconds))
    return replace(
        asked,
        only_if_cached="only-if-cached" in found,
        private="private" in found,
    )


def _split(value: str) -> list[tuple[str, str | None]]:
    """(name in lower case, argument without its quotes) of each list member."""
    found = []
    position = 0
    while position < len(value):
        match = _DIRECTIVE.match(value, position)
        if match is None:  # not a token: skip to the next comma, as for an unknown directive
            position = (value.find(",", position) + 1) or len(value)
            continue
        argument = match[2]
        if argument is not None and argument.startswith('"'):
            argument = re.sub(r"\\(.)", r"\1", argument[1:-1])
        found.append((match[1].lower(), argument))
        position = (value.find(",", match.end()) + 1) or len(value)
    return found


def _seconds(name: str, value: str | None) -> float:
    match = _DELTA.fullmatch(value or "")
    if match is None:
        raise _refuse("cache-control", f"{name}={value or ''}", "is not a number of seconds")
    # Twelve digits are over the most, and keep a header's worth of digits from being converted.
    return float(min(int(match[1][:12]), MAX_DELTA_S))
