"""Keys and limits, as an operator writes them."""

from typing import Any

import pytest
from pydantic import ValidationError

from proxy.config import Config
from proxy.config.problems import lines
from proxy.core.quotas import Terms
from proxy.parts import rules

Json = dict[str, Any]
DIGEST = "0" * 64
OTHER = "1" * 64


def problems(config: Json) -> list[str]:
    try:
        Config.model_validate(config)
    except ValidationError as error:
        return lines(Config, error.errors(), {})
    return []


def with_keys(*keys: Json, **more: Any) -> Json:
    return {"access": {"keys": list(keys)}, "upstream": {"api_key": "sk-own"}, **more}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (with_keys({"name": "ada", "digest": "abc"}), "access.keys[0].digest: has characters"),
        (with_keys({"name": "ada"}), "access.keys[0].digest: is missing"),
        (
            with_keys({"name": "ada", "digest": DIGEST}, {"name": "ada", "digest": OTHER}),
            "access.keys[1].name: 'ada' is the name of another key",
        ),
        (
            with_keys({"name": "ada", "digest": DIGEST}, {"name": "bob", "digest": DIGEST}),
            "access.keys[1].digest: is another key's as well",
        ),
        (
            with_keys({"name": "ada", "digest": DIGEST}, upstream={}),
            "upstream.api_key: is needed with access.keys",
        ),
        (
            with_keys(
                {"name": "ada", "digest": DIGEST},
                upstreams=[{"name": "b", "base_url": "http://b/v1", "models": ["b"]}],
            ),
            "upstreams[0].api_key: is needed with access.keys",
        ),
        (
            with_keys({"name": "ada", "digest": DIGEST}, server={"trusted_tenant_header": "x-t"}),
            "server.trusted_tenant_header: cannot be used with access.keys",
        ),
        ({"server": {"tls": {"key": "k.pem"}}}, "server.tls.key: needs server.tls.certificate"),
        (
            {"server": {"cors": {"origins": ["app.example"]}}},
            "server.cors.origins[0]: has characters",
        ),
        ({"limits": {"requests_per_minute": 0}}, "limits.requests_per_minute: 0 is not above 0"),
    ],
)
def test_what_cannot_be_is_named(config: Json, problem: str) -> None:
    """One line says which key is wrong, and why."""
    (found,) = problems(config)

    assert found.startswith(problem)


def test_a_key_s_terms_stand_before_the_general_ones() -> None:
    """What a key does not say is as for everybody."""
    key = {"name": "ada", "digest": DIGEST, "requests_per_minute": 5}
    limits = {"requests_per_minute": 60, "concurrent_requests": 4}
    config = Config.model_validate(with_keys(key, limits=limits))
    found = rules.keys(config)._by_digest[DIGEST]

    assert found.tenant == "ada"
    assert found.terms == Terms(5, 5, 4)
    assert rules.terms(config) == Terms(60, 60, 4)


def test_a_burst_is_what_is_said() -> None:
    """Less than a minute's worth may come at once; and never less than one."""
    said = Config.model_validate({"limits": {"requests_per_minute": 60, "burst": 7}})
    slow = Config.model_validate({"limits": {"requests_per_minute": 0.5}})

    assert rules.terms(said).burst == 7
    assert rules.terms(slow).burst == 1
