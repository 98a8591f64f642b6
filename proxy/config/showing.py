"""The configuration as it holds, for a person or a program, with its secrets hidden."""

from typing import Any

import yaml

from proxy.config.schema import Config


def effective(config: Config) -> dict[str, Any]:
    """Every key with the value that holds; a secret is `**********`, a URL loses its password."""
    shown: dict[str, Any] = _plain(config.model_dump(mode="json"))
    return shown


def effective_yaml(config: Config) -> str:
    """The same as YAML, in the schema's order."""
    return yaml.safe_dump(effective(config), sort_keys=False, allow_unicode=True)


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
