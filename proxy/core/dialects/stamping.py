"""A payload with the id and the time of its replay, and otherwise as the origin wrote it."""

import re
from typing import Final

from proxy.core.canonical import dumps
from proxy.core.dialects.base import Json, Stamp
from proxy.core.dialects.payloads import parse

_STAMPED: Final = re.compile(
    rb'\{\s*"id"\s*:\s*"([^"\\]*)"\s*,'
    rb'(?:\s*"(?!created"|id")\w+"\s*:\s*"[^"\\]*"\s*,)*'
    rb'\s*"created"\s*:\s*(\d+)(?=\s*[,}])'
)
"""A payload that begins with its id, then texts, then its time, as most origins write it."""

_TIER: Final = re.compile(rb'"service_tier"\s*:\s*(?:null|"[^"\\]*")\s*,\s*')

_PADDING: Final = re.compile(rb',\s*"obfuscation"\s*:\s*"[^"\\]*"(?=\s*\}\s*\Z)')
"""The padding of an event, which comes last (`stream_options.include_obfuscation`)."""


def is_padded(body: Json) -> bool:
    """Whether a request takes padded events; nearly all do, by saying nothing."""
    options = body.get("stream_options")
    return not isinstance(options, dict) or options.get("include_obfuscation") is not False


def unpadded(payload: bytes) -> bytes:
    """An event without its padding."""
    if b'"obfuscation"' not in payload:
        return payload
    short, found = _PADDING.subn(b"", payload)
    if found:
        return short
    value = parse(payload)
    return dumps({name: field for name, field in value.items() if name != "obfuscation"})


def refresh(payload: bytes, stamp: Stamp) -> bytes:
    """A body or chunk with the replay's id and time, where it has such fields.

    All other bytes stay as the origin wrote them where its id and time can be found without
    parsing. `service_tier` goes: it says how the first caller's request was served and billed.
    """
    if not stamp.is_padded:
        payload = unpadded(payload)
    head = _STAMPED.match(payload)
    tier = payload.find(b'"service_tier"')
    told = _TIER.match(payload, tier) if tier >= 0 else None
    if head is None or (tier >= 0 and not (told and _is_outermost(payload, head.end(), tier))):
        return _refreshed(payload, stamp)
    rest = payload[head.end() :]
    if told is not None:
        rest = payload[head.end() : tier] + payload[told.end() :]
    between = payload[head.end(1) : head.start(2)]
    begin = payload[: head.start(1)] + dumps(stamp.id)[1:-1]
    return begin + between + b"%d" % stamp.created + rest


def _is_outermost(payload: bytes, after: int, place: int) -> bool:
    """Whether a field is the payload's own, and nobody's inside it: seen without parsing."""
    if place < after:
        return False
    between = payload[after:place]
    return not (b"{" in between or b"[" in between) or payload.count(b"}", place) == 1


def _refreshed(payload: bytes, stamp: Stamp) -> bytes:
    value = parse(payload)
    value.pop("service_tier", None)
    if "id" in value:
        value["id"] = stamp.id
    if "created" in value:
        value["created"] = stamp.created
    return dumps(value)
