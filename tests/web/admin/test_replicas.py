"""`GET /admin/v1/replicas`: which processes there are over one shared tier."""

import os
import socket
import time
from importlib.metadata import version
from pathlib import Path

from proxy.config import Config, digest
from tests.support.origin import ScriptedOrigin
from tests.support.program import Json, Served, chat, merged, served, settings
from tests.support.waiting import until_async
from tests.web.admin.calling import ADMIN, call


async def replicas(proxy: Served) -> list[Json]:
    got = await call(proxy, "GET", "/admin/v1/replicas")
    assert got.status == 200
    listed: list[Json] = got.json["data"]
    return listed


def configured(origin: ScriptedOrigin, directory: Path, **cache: Json) -> Json:
    mine = {"cache": merged({"shared": {"announce_every_s": 60}}, cache)}
    return settings(origin.url, directory, admin=ADMIN, **mine)


async def test_each_is_listed_with_how_it_is(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Both see both; one that ends is gone at once, and each knows which it is itself."""
    config = configured(origin, tmp_path)
    other = merged(config, {"cache": {"deadline_ms": 900}})
    async with served(config, may_block=True) as one:
        one.runtime.announcer.appear(one.url)
        async with served(other) as two:
            two.runtime.announcer.appear(two.url)
            await one.post(chat())
            one.runtime.announcer.configured(digest(one.runtime.config))  # which it says at once

            async def have_met() -> bool:
                held = [told["entries"] for told in await replicas(one)]
                return held == [{"session": 1}, {"session": 0}]

            await until_async(have_met, "the others")
            first, second = await replicas(one)
            seen_by_two = await replicas(two)
        alone = await replicas(one)

    assert (first["is_self"], second["is_self"]) == (True, False)
    assert [told["is_self"] for told in seen_by_two] == [False, True]
    assert [told["id"] for told in alone] == [first["id"]]
    assert (first["host"], first["pid"]) == (socket.gethostname(), os.getpid())
    assert (first["url"], second["url"]) == (one.url, two.url)
    assert (first["worker"], first["version"]) == (None, version("reprise"))
    assert 0 <= first["started_at"] <= first["seen_at"] <= time.time() + 1
    assert first["parts"] == {"shared": "ok"}
    assert first["position_lag"] in {0, 1}
    assert first["config_digest"] == digest(one.runtime.config)
    assert first["config_digest"] != second["config_digest"]


async def test_a_shared_tier_that_is_away(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """503, as with every list: an empty one would say that nobody is there."""
    async with served(configured(origin, tmp_path)) as proxy:
        await proxy.runtime.shared.close()
        got = await call(proxy, "GET", "/admin/v1/replicas")

        assert (got.status, got.code) == (503, "cache_unavailable")


def test_the_digest_is_of_what_replicas_have_in_common(tmp_path: Path) -> None:
    """A port or a file of one's own makes no difference, a threshold does; secrets are left out."""
    base = Config.model_validate({})
    own = {
        "server": {"port": 9, "host": "::", "workers": 2},
        "cache": {"vector": {"snapshot": f"{tmp_path}/x"}},
    }
    other = {"cache": {"vector": {"threshold": 0.99}}}
    secret = {"admin": {"token": "a-token-of-an-operator"}}
    same = {"admin": {"token": "another-token-of-an-operator"}}

    assert digest(base) == digest(Config.model_validate(own))
    assert digest(base) != digest(Config.model_validate(other))
    assert digest(Config.model_validate(secret)) == digest(Config.model_validate(same))
