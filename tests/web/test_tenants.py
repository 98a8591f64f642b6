"""A tenant is known by a digest that nobody can try out who has not the key."""

from pathlib import Path

import pytest

from proxy.core.credentials import digest_of
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Serving, chat, served, settings

TENANT_KEY = "a secret of some length"
TRUSTED = {"trusted_tenant_header": "X-Tenant"}


async def test_replicas_with_one_key_agree(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """What one stores, the other finds; a replica with another key knows nobody."""
    found = []
    for key in (TENANT_KEY, TENANT_KEY, "another one, as long"):
        config = settings(origin.url, tmp_path, cache={"tenant_key": key})
        async with served(config, may_block=True) as proxy:
            found.append((await proxy.post(chat())).cache)

    assert found == ["MISS", "HIT", "MISS"]


@pytest.mark.parametrize("headers", [{}, {"x_tenant": "acme"}])
async def test_a_tenant_cannot_be_guessed(serving: Serving, headers: dict[str, str]) -> None:
    """Neither from a credential nor from the name that a trusted front gives."""
    tenants = []
    for cache in ({}, {"tenant_key": TENANT_KEY}):
        async with serving(cache=cache, server=TRUSTED) as proxy:
            await proxy.post(chat(), **headers)
            tenants.append(proxy.events("request")[-1]["tenant"])

    assert tenants[0] != tenants[1]
    assert (tenants[0] == digest_of({"authorization": f"Bearer {KEY}"})) == (not headers)
