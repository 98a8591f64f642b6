"""`python -m tests.docs.reference` writes docs/configuration.md, modules.md, cli.md, faults.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from proxy.config import Config, effective
from proxy.config.access import Key
from proxy.config.differing import holds_from_the_start
from proxy.config.encryption import EncryptionKey
from proxy.config.freshness import ScheduledPurge, TagRule, TtlRule
from proxy.config.section import Section, alternatives, section_of
from proxy.config.telemetry import Price, Rate
from proxy.config.upstream import NamedUpstream
from tests.docs import commands, faults, modules

FILE = Path(__file__).parents[2] / "docs" / "configuration.md"

HEAD = """# Configuration

`config.yaml` holds every key with its default and its explanation, and may be cut down to what
you change: a missing key has its default, an unknown one is an error. `reprise check` prints what
holds, with secrets hidden, or every problem, one a line.

`make run` reads `config.yaml`; `reprise serve --config FILE`, or the variable `CONFIG`, reads
another file; without one the defaults hold. Any text in the file may use `${NAME}` or
`${NAME:-default}` from the environment. These variables win over the file:

| variable | key |
|---|---|
| `HOST` | `server.host` |
| `PORT` | `server.port` |
| `WORKERS` | `server.workers` |
| `OPENAI_BASE_URL` | `upstream.base_url` |
| `REDIS_URL` | `cache.shared.url` |
| `ADMIN_TOKEN` | `admin.token` |

Others that are read: `REPRISE_URL` and, for requests that commands send, `OPENAI_API_KEY`,
`OPENAI_ORG_ID` and `OPENAI_PROJECT_ID` ([cli.md](cli.md)); those of OpenTelemetry's SDK where
traces are on, `OTEL_SDK_DISABLED` among them ([traces.md](traces.md)). One is set by the
program itself: `ORT_DISABLE_TELEMETRY`, so that ONNX Runtime reports its use to nobody.

What the first days ask for:

| wish | key |
|---|---|
| another origin: a local server, a gateway | `upstream.base_url` |
| the proxy has the key, its callers, all trusted, have none | `upstream.api_key` |
| callers have keys of the proxy's own | `access.keys` ([access.md](access.md)) |
| some models elsewhere, another provider when this one fails | `upstreams` |
| several replicas | `cache.shared.url: redis://...` |
| all callers share answers, whatever their keys | `cache.tenancy: shared` |
| fewer wrong hits, fewer hits | a higher `cache.judgement.min_probability` |
| at most 1 % of hits wrong, proven on your traffic | `cache.judgement.policy: verified` |
| the live rate of wrong hits | `cache.judgement.audit_share: 0.02` |
| see what is cached, and delete it | `admin.token` |
| exact repeats only | `embedder.kind: none` |
| answers that are not drawn at random | `cache.admission.max_temperature` |
| look before you leap | send `x-cache-mode: shadow`: looked up, answered by the origin |

A changed file holds within a second, without a restart ([reload.md](reload.md)); but for the keys
whose `reload` says `restart`.

The rest of this page is written from the schema.
"""

TOO_LONG_TO_SHOW = {"telemetry.prices": "a table"}
"""Defaults that have their place in config.yaml."""


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    for name in Config.model_fields:
        model = section_of(Config, name)
        if model is not None:
            parts.append(f"## {name}\n\n{_table(model, f'{name}.')}")
    parts.append(f"## One of `access.keys`\n\n{_table(Key, '', 'access.keys')}")
    parts.append(f"## One of `upstreams`\n\n{_table(NamedUpstream, '', 'upstreams')}")
    parts.append(f"## One of `cache.ttl.rules`\n\n{_table(TtlRule, '', 'cache.ttl.rules')}")
    parts.append(f"## One of `cache.tags`\n\n{_table(TagRule, '', 'cache.tags')}")
    keys = _table(EncryptionKey, "", "cache.encryption.keys")
    parts.append(f"## One of `cache.encryption.keys`\n\n{keys}")
    parts.append(f"## One of `cache.purges`\n\n{_table(ScheduledPurge, '', 'cache.purges')}")
    parts.append(f"## One of `telemetry.prices`\n\n{_table(Price, '', 'telemetry.prices')}")
    parts.append(f"## One of its `service_tiers`\n\n{_table(Rate, '', 'telemetry.prices')}")
    return "\n".join(parts)


def _table(model: type[Section], prefix: str, holder: str = "") -> str:
    """Its keys; those of a section in a list or table are reloaded with `holder`, its key."""
    lines = ["| key | default | allowed | reload | meaning |", "|---|---|---|---|---|"]
    defaults = effective_values(model)
    for path, key in _paths(model, ""):
        place = tuple((holder or prefix + path).split("."))
        reload = "restart" if holds_from_the_start(place) else "yes"
        shown = TOO_LONG_TO_SHOW.get(prefix + path, f"`{json.dumps(_plain(_at(defaults, path)))}`")
        meaning = " ".join((key.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{prefix}{path}` | {shown} | {_allowed(key)} | {reload} | {meaning} |")
    return "\n".join(lines) + "\n"


def effective_values(model: type[Section]) -> dict[str, Any]:
    """A section's defaults, as `reprise check` would show them."""
    for name in Config.model_fields:
        if section_of(Config, name) is model:
            return dict(effective(Config())[name])
    required = {
        name: (key.examples or ["required"])[0]
        for name, key in model.model_fields.items()
        if key.is_required()
    }
    return model(**required).model_dump(mode="json")


def _paths(model: type[Section], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for key, field in model.model_fields.items():
        inner = section_of(model, key)
        if inner is None:
            yield f"{prefix}{key}", field
        else:
            yield from _paths(inner, f"{prefix}{key}.")


def _at(values: dict[str, Any], path: str) -> object:
    found: Any = values
    for key in path.split("."):
        found = found[key]
    return found


def _allowed(field: FieldInfo) -> str:
    words = [
        f"`{word}`"
        for kind in alternatives(field.annotation)
        if get_origin(kind) is Literal
        for word in get_args(kind)
    ]
    if words:
        return ", ".join(words)
    signs = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}
    limits = [
        f"{word} {_plain(getattr(bound, sign))}"
        for sign, word in signs.items()
        for bound in field.metadata
        if getattr(bound, sign, None) is not None
    ]
    return " ".join(limits)


def _plain(value: Any) -> Any:
    """Whole numbers as people write them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


if __name__ == "__main__":
    FILE.write_text(reference())
    modules.FILE.write_text(modules.page())
    commands.FILE.write_text(commands.page())
    faults.FILE.write_text(faults.page())
