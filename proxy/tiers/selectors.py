"""A selector as bytes: what a change log keeps of an invalidation."""

import base64
from typing import Any, Final

import numpy as np
import orjson

from proxy.core.changes import ALL_TENANTS, Likeness, Selector
from proxy.tiers.codec import CodecError

_FLOAT32: Final = np.dtype("<f4")

ANYTHING: Final = Selector(ALL_TENANTS, everything=True)


def written(selector: Selector) -> bytes:
    """As JSON, without what it leaves open. Raises CodecError for text that is not Unicode."""
    fields = {
        "tenant": selector.tenant,
        "ids": selector.ids,
        "tags": selector.tags,
        "scope": selector.scope,
        "model": selector.model,
        "namespace": selector.namespace,
        "older_than": selector.older_than,
        "principal": selector.principal,
        "like": selector.like and _written(selector.like),
        "everything": selector.everything,
    }
    try:
        return orjson.dumps({name: value for name, value in fields.items() if _is_given(value)})
    except TypeError as error:
        raise CodecError(f"selector cannot be encoded: {error}") from error


def _is_given(value: object) -> bool:
    """Unlike a time of 0, or the namespace without a name, which mean something."""
    return value is not None and value is not False and value != ()


def _written(like: Likeness) -> dict[str, Any]:
    vector = base64.b64encode(np.asarray(like.vector, _FLOAT32).tobytes()).decode()
    return {"vector": vector, "at_least": like.at_least, "embedder": like.embedder}


def read(data: bytes) -> Selector:
    """What was written. Of anything else nobody knows what it means, so that it means all.

    The log would not be read past it otherwise. Whoever reads it forgets what he alone has.
    """
    try:
        found = orjson.loads(data)
        like = found.get("like")
        return Selector(
            tenant=found["tenant"],
            ids=tuple(found.get("ids", ())),
            tags=tuple(found.get("tags", ())),
            scope=found.get("scope"),
            model=found.get("model"),
            namespace=found.get("namespace"),
            older_than=found.get("older_than"),
            principal=found.get("principal"),
            like=like and _read(like),
            everything=found.get("everything", False),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return ANYTHING


def _read(like: dict[str, Any]) -> Likeness:
    vector = np.frombuffer(base64.b64decode(like["vector"]), _FLOAT32)
    return Likeness(vector, float(like["at_least"]), str(like["embedder"]))
