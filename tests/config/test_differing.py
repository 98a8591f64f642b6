"""What another configuration changes, key by key."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from proxy.config import Config
from proxy.config.differing import difference, holds_from_the_start
from proxy.config.section import Section, alternatives, section_of
from proxy.errors import ConfigError

Json = dict[str, Any]

OTHERS: Json = {
    "server.trusted_tenant_header": "x-tenant",
    "server.cors.origins": ["https://app.example"],
    "access.keys": [{"name": "ada", "digest": "0" * 64}],
    "upstream.base_url": "http://elsewhere/v1",
    "upstream.api_key": "sk-other",
    "upstream.fallbacks": ["second"],
    "upstreams": [{"name": "third", "base_url": "http://third/v1", "models": ["m"]}],
    "cache.key_headers": ["x-router-config"],
    "cache.tenant_key": "a secret of some length",
    "cache.ttl.rules": [{"model": "m", "ttl_s": 7}],
    "cache.tags": [{"model": "m", "tags": ["t"]}],
    "cache.purges": [{"cron": "0 3 * * *", "tags": ["t"]}],
    "cache.admission.time_words": ["soon"],
    "cache.shared.url": "redis://elsewhere/0",
    "cache.shared.sentinel_user": "me",
    "cache.shared.sentinel_password": "secret",
    "cache.shared.client_name": "other",
    "cache.shared.key_prefix": "other",
    "cache.encryption.keys": [{"id": "k", "key": "A" * 43 + "="}],
    "cache.vector.guards": ["number"],
    "cache.vector.redis.url": "redis://elsewhere/1",
    "cache.vector.redis.key_prefix": "other",
    "cache.judgement.llm.base_url": "http://elsewhere/v1",
    "cache.judgement.llm.api_key": "sk-other",
    "embedder.openai.base_url": "http://elsewhere/v1",
    "embedder.openai.api_key": "sk-other",
    "telemetry.prices": {"m": {"input": 1, "output": 2}},
    "admin.token": "0123456789abcdef",
}
"""Another value, where the field's type does not give one."""

SENTINEL: Json = {"cache": {"shared": {"url": "redis+sentinel://h:26379/s/0"}}}
TLS = "cache.shared.tls.", "cache.vector.redis.tls."
CERTIFICATE: Json = {"server": {"tls": {"certificate": "c.pem"}}}
NEEDED: Json = {
    "server.tls.key": CERTIFICATE,
    "server.tls.client_ca": CERTIFICATE,
    "access.keys": {"upstream": {"api_key": "sk-own"}},
    "upstream.fallbacks": {
        "upstreams": [{"name": "second", "base_url": "http://second/v1", "models": ["m"]}]
    },
    "cache.shared.sentinel_user": SENTINEL,
    "cache.shared.sentinel_password": SENTINEL,
    "cache.vector.backend": {"cache": {"vector": {"redis": {"url": "redis://h/0"}}}},
    "cache.judgement.llm.rewrite": {
        "cache": {
            "context": "rewrite",
            "judgement": {"llm": {"model": "m", "base_url": "http://judge/v1"}},
        }
    },
    "cache.judgement.llm.model": {"cache": {"judgement": {"llm": {"base_url": "http://judge/v1"}}}},
    "embedder.kind": {"embedder": {"openai": {"base_url": "http://embedder/v1"}}},
}
"""What both configurations have, where the key alone would be refused."""


def keys(model: type[Section] = Config, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of the schema that holds a value."""
    for name in model.model_fields:
        inner = section_of(model, name)
        if inner is None:
            yield (*at, name)
        else:
            yield from keys(inner, (*at, name))


def field_of(path: tuple[str, ...]) -> FieldInfo:
    model: type[Section] = Config
    for name in path[:-1]:
        inner = section_of(model, name)
        assert inner is not None
        model = inner
    return model.model_fields[path[-1]]


def value_at(config: Config, path: tuple[str, ...]) -> Any:
    found: Any = config
    for name in path:
        found = getattr(found, name)
    return found


def others(path: tuple[str, ...]) -> Iterator[Any]:
    """Values that the key might have, and has not by itself."""
    dotted = ".".join(path)
    if dotted in OTHERS:
        yield OTHERS[dotted]
    held = value_at(Config(), path)
    for kind in alternatives(field_of(path).annotation):
        if kind is bool:
            yield not held
        elif get_origin(kind) is Literal:
            yield next(word for word in get_args(kind) if word != held)
        elif kind in (int, float):
            yield from (kind(number) for number in ((held or 0) + 1, (held or 0) / 2, 0.5, 8))
    yield "other.file"


def placed(path: tuple[str, ...], value: Any) -> Json:
    data: Json = {path[-1]: value}
    for name in reversed(path[:-1]):
        data = {name: data}
    return data


def merged(one: Json, other: Json) -> Json:
    found = dict(one)
    for name, value in other.items():
        known = found.get(name)
        nests = isinstance(known, dict) and isinstance(value, dict) and name != "prices"
        found[name] = merged(known, value) if nests and isinstance(known, dict) else value
    return found


def needed(path: tuple[str, ...]) -> Json:
    dotted = ".".join(path)
    if dotted.startswith(TLS):
        shared: Json = {"url": "rediss://h/0", "tls": {"certificate": "c.pem"}}
        return {"cache": {"shared": shared, "vector": {"redis": shared}}}
    found: Json = NEEDED.get(dotted, {})
    return found


def pair(path: tuple[str, ...]) -> tuple[Config, Config]:
    """A configuration, and one that differs from it in this key alone."""
    base = needed(path)
    held = Config.model_validate(base)
    for value in others(path):
        with suppress(ValidationError):
            other = Config.model_validate(merged(base, placed(path, value)))
            if value_at(other, path) != value_at(held, path):
                return held, other
    raise AssertionError(f"no other value of {'.'.join(path)} is known: add one to OTHERS")


ALL = list(keys())


@pytest.mark.parametrize("path", ALL, ids=".".join)
def test_every_key_is_followed_or_named(path: tuple[str, ...]) -> None:
    """Another value of a key holds at once, or is left as it was and named as needing a restart."""
    held, other = pair(path)
    found = difference(held, other)

    assert value_at(held, path) != value_at(other, path)
    if holds_from_the_start(path):
        assert (found.changed, found.needs_restart) == ((), (".".join(path),))
        assert found.followed == held
    else:
        assert (found.changed, found.needs_restart) == ((".".join(path),), ())
        assert found.followed == other


def test_what_can_be_followed_is_although_the_rest_cannot() -> None:
    """One file changes both kinds of keys: the one is followed, the other named."""
    other = Config.model_validate(
        {
            "server": {"host": "0.0.0.0"},
            "cache": {"shared": {"url": "redis://u:p@h/0"}, "vector": {"floor": 0.7}},
            "upstream": {"api_key": "sk-new"},
        }
    )
    found = difference(Config(), other)

    assert found.changed == ("upstream.api_key", "cache.vector.floor")
    assert found.needs_restart == ("server.host", "cache.shared.url")
    assert found.followed.cache.vector.floor == 0.7
    assert found.followed.upstream.api_key == other.upstream.api_key
    assert found.followed.cache.shared == Config().cache.shared


def test_nothing_is_changed_by_the_same() -> None:
    """A file that only has other comments or another order changes nothing."""
    found = difference(Config(), Config())

    assert (found.changed, found.needs_restart, found.followed) == ((), (), Config())


def test_any_port_is_the_one_that_it_has() -> None:
    """`port: 0` asks for any free port; one that the proxy already has will do."""
    held, other = (Config.model_validate({"server": {"port": port}}) for port in (4711, 0))
    found = difference(held, other)

    assert (found.changed, found.needs_restart) == ((), ())
    assert found.followed.server.port == 4711


def test_what_contradicts_a_key_that_stays_is_refused() -> None:
    """Conversations are only rewritten before a judge; one that comes with the restart is none."""
    held = Config.model_validate({"cache": {"judgement": {"verifier": "none"}}})
    other = Config.model_validate({"cache": {"context": "rewrite"}})
    with pytest.raises(ConfigError) as caught:
        difference(held, other)

    assert caught.value.problems == [
        "cache.context: needs judgement.verifier or judgement.llm.model (without a restart)"
    ]
