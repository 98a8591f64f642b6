"""Configurations with keys of the proxy's own."""

from hashlib import sha256
from typing import Any

Json = dict[str, Any]

ORIGIN_KEY = "sk-the-operator's"


def key(name: str, text: str | None = None, **more: Any) -> Json:
    """One of `access.keys`; the key itself is `text`, or its name."""
    return {"name": name, "digest": sha256((text or name).encode()).hexdigest(), **more}


def guarded(*keys: Json) -> Json:
    """What to configure beside it; give the origin's URL with `settings`."""
    return {"access": {"keys": list(keys)}, "upstream": {"api_key": ORIGIN_KEY}}
