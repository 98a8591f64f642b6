"""The configuration as it holds, for a person or a program, with its secrets hidden."""

import json
from hashlib import sha256
from typing import Any, Final

import yaml

from proxy.config.schema import Config


def effective(config: Config) -> dict[str, Any]:
    """Every key with the value that holds; a secret is `**********`, a URL loses its password."""
    shown: dict[str, Any] = _plain(config.model_dump(mode="json"))
    return shown


def effective_yaml(config: Config) -> str:
    """The same as YAML, in the schema's order."""
    return yaml.safe_dump(effective(config), sort_keys=False, allow_unicode=True)


OWN: Final = (
    ("server", "host"),
    ("server", "port"),
    ("server", "workers"),
    ("cache", "vector", "snapshot"),
    ("cache", "judgement", "labels"),
)
"""What replicas with one configuration may have each its own."""


def digest(config: Config) -> str:
    """The same for two processes where what holds is the same, but for secrets and `OWN`."""
    shown = effective(config)
    for *sections, key in OWN:
        section = shown
        for name in sections:
            section = section[name]
        del section[key]
    return sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON is of any type
    """Whole numbers as people write them: 250, not 250.0."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
