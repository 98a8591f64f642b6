"""Following another configuration, in this process."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.config import Config
from proxy.config.differing import holds_from_the_start
from proxy.config.loading import Source
from proxy.core.model import Usage
from proxy.core.spending import Part
from proxy.reloading import By, Reloader
from proxy.resilience import Deadline
from proxy.runtime import Live, open_live
from proxy.telemetry.summary import summary
from tests.config.test_differing import ALL, pair, value_at
from tests.support.origin import Gate, ScriptedOrigin
from tests.support.program import Json, Served, chat, merged, settings
from tests.support.waiting import until


class Followed:
    """A file, and a cache that follows it."""

    def __init__(self, live: Live, file: Path, config: Json, log: io.StringIO) -> None:
        self.live = live
        self.file = file
        self.config = config
        self.log = log
        self.followed: list[object] = []
        source = Source(file, {"LEVEL": "debug"})
        self.reloader = Reloader(
            live, source.read, clock=time.time, file=file, told=self.followed.append
        )

    def write(self, **over: Json) -> None:
        self.config = merged(self.config, over)
        self.file.write_text(json.dumps(self.config))

    def events(self, name: str) -> list[Json]:
        lines = map(json.loads, self.log.getvalue().splitlines())
        return [line for line in lines if line["event"] == name]


Following = Callable[..., Any]


@pytest.fixture
def following(origin: ScriptedOrigin, tmp_path: Path) -> Following:
    @asynccontextmanager
    async def follow(**over: Any) -> AsyncIterator[Followed]:
        config, file = settings(origin.url, tmp_path, **over), tmp_path / "config.yaml"
        file.write_text(json.dumps(config))
        log = io.StringIO()
        async with open_live(Source(file, {}).read(), log) as live:
            yield Followed(live, file, config, log)

    return follow


async def test_every_key_that_can_be_reloaded_holds_at_once(following: Following) -> None:
    """One after the other: the configuration in force has the new value, and nothing fails."""
    paths = [path for path in ALL if not holds_from_the_start(path)]
    async with following() as it:
        for path in paths:
            _, other = pair(path)
            held = it.live.current.config
            kept = {"embedder": held.embedder, "server": other.server}
            cache = other.cache.model_copy(
                update={"shared": held.cache.shared, "vector": held.cache.vector}
            )
            if path[:2] == ("cache", "vector"):
                chosen = {path[-1]: value_at(other, path)}
                vector = held.cache.vector.model_copy(update=chosen)
                cache = cache.model_copy(update={"vector": vector})
            await it.live.follow(other.model_copy(update={**kept, "cache": cache}))

            assert value_at(it.live.current.config, path) == value_at(other, path)
    assert len(paths) > 50
    assert it.events("task_failed") == []


async def test_a_request_keeps_what_it_began_with(following: Following) -> None:
    """Whoever holds a runtime goes on with it; origins are closed after the last who does."""
    async with following() as it:
        with it.live.using() as before:
            it.write(upstream={"base_url": "http://127.0.0.1:9/v1"})
            done = await it.reloader.reload(By.API)
            with it.live.using() as after:
                pass
            is_open = before.origins.is_open
        await until(lambda: not before.origins.is_open, "the closing")

    assert done.changed == ("upstream.base_url",)
    assert is_open
    assert after is it.live.current
    assert after is not before
    assert before.session is after.session


async def test_connections_are_kept_where_the_origins_are_the_same(following: Following) -> None:
    """Another threshold is no reason to connect anew."""
    async with following() as it:
        before = it.live.current
        it.write(cache={"ttl": {"default_s": 5}})
        await it.reloader.reload(By.API)
        after = it.live.current

    assert after.origins is before.origins
    assert after.store is not before.store


async def test_models_are_as_patient_as_requests(following: Following) -> None:
    """A text may wait for most of what a request has, also once that is another."""
    async with following(embedder={"kind": "local"}) as it:
        meaning = it.live._stands.meaning
        assert meaning is not None
        first = (meaning.patience.seconds, it.live.current.config.cache.deadline_ms)
        it.write(cache={"deadline_ms": 5000})
        await it.reloader.reload(By.API)

    assert first[0] == pytest.approx(0.7 * first[1] / 1000)
    assert meaning.patience.seconds == pytest.approx(3.5)


async def test_what_is_in_memory_stays(proxy: Served, origin: ScriptedOrigin) -> None:
    """Private answers, session entries and counts are those from before."""
    await proxy.post(chat("Which is mine?"), cache_control="private")
    await proxy.post(chat("Which is everybody's?"))
    before, live = proxy.runtime, proxy.reloader.live
    changed = before.config.cache.model_copy(update={"deadline_ms": 2000.0})
    await live.follow(before.config.model_copy(update={"cache": changed}))
    mine = await proxy.post(chat("Which is mine?"))
    shared = await proxy.post(chat("Which is everybody's?"))
    metrics = (await proxy.get("/metrics")).body.decode()

    assert proxy.runtime is not before
    assert (mine.tier, shared.tier) == ("session", "session")
    assert 'result="MISS",status="2xx",tier="none"} 2.0' in metrics
    assert origin.calls == 2


async def test_a_call_under_way_is_joined_over_a_reload(
    proxy: Served, origin: ScriptedOrigin
) -> None:
    """Who asks the same after a reload gets the answer that is on its way, by the old origin."""
    gate = Gate()
    origin.then(before=gate)
    config, live = proxy.runtime.config, proxy.reloader.live
    elsewhere = config.upstream.model_copy(update={"base_url": "http://127.0.0.1:9/v1"})
    async with asyncio.TaskGroup() as group:
        first = group.create_task(proxy.post(chat()))
        await gate.reached()
        await live.follow(config.model_copy(update={"upstream": elsewhere}))
        second = group.create_task(proxy.post(chat()))
        calls = proxy.runtime.flights._calls
        await until(lambda: sum(len(one._seats) for one in calls) == 2, "the joining")
        gate.open()
    lost = await proxy.post(chat("Who is there?"))

    assert (first.result().cache, second.result().cache) == ("MISS", "COALESCED")
    assert first.result().text == second.result().text
    assert lost.status == 502


async def test_what_stands_takes_its_new_bounds(following: Following) -> None:
    """The session tier shrinks, the log says more, breakers and calls go by the new numbers."""
    async with following(telemetry={"log_level": "error"}) as it:
        runtime = it.live.current
        silent = it.log.getvalue()
        it.write(
            telemetry={"log_level": "${LEVEL}"},
            cache={
                "session": {"max_entries": 1},
                "breaker": {"faults": 3},
                "finish_on_disconnect": True,
            },
        )
        await it.reloader.reload(By.SIGNAL)
        said = it.events("config_reloaded")
        stage = runtime.shared_stage
        for _ in range(2):
            await stage.ask(_fails, Deadline(1))
        is_patient = stage.trouble is None
        await stage.ask(_fails, Deadline(1))

    assert silent == ""
    assert said[0]["changed"] == (
        "cache.finish_on_disconnect, cache.session.max_entries, cache.breaker.faults, "
        "telemetry.log_level"
    )
    assert is_patient
    assert stage.trouble is not None


async def _fails() -> None:
    raise OSError("not today")


async def test_where_there_is_no_file_there_is_nothing_new(proxy: Served) -> None:
    """Started from defaults and variables alone, a reload succeeds and changes nothing."""
    done = await proxy.reloader.reload(By.API)
    watching = asyncio.wait_for(proxy.reloader.watch(), 5)
    await watching  # there is nothing to watch

    assert (done.ok, done.changed, done.needs_restart) == (True, (), ())


async def test_a_guard_that_does_not_exist_is_a_problem(following: Following) -> None:
    """What the file says wrong is told by its key, and what held holds on."""
    async with following() as it:
        before = it.live.current
        it.write(cache={"vector": {"guards": ["conscience"]}})
        done = await it.reloader.reload(By.API)

    assert not done.ok
    assert "cache.vector.guards[0]" in done.problems[0]
    assert it.live.current is before
    assert it.followed == []


async def test_a_link_that_is_turned_is_a_change(following: Following, tmp_path: Path) -> None:
    """As a ConfigMap is mounted: the file is a link into a directory that is itself a link."""
    async with following(server={"watch_config": True}) as it:
        for version, seconds in (("one", 1000), ("two", 77)):
            (tmp_path / version).mkdir()
            it.file = tmp_path / version / "config.yaml"
            it.write(cache={"ttl": {"default_s": seconds}})
        (tmp_path / "data").symlink_to(tmp_path / "one")
        (tmp_path / "linked.yaml").symlink_to(tmp_path / "data" / "config.yaml")
        linked = tmp_path / "linked.yaml"
        reloader = Reloader(it.live, Source(linked, {}).read, clock=time.time, file=linked)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(reloader.watch())
            await until(lambda: _lifetime(it) == 1000, "the first")
            (tmp_path / "data.new").symlink_to(tmp_path / "two")
            (tmp_path / "data.new").replace(tmp_path / "data")
            await until(lambda: _lifetime(it) == 77, "the second")
            watching.cancel()
        last = reloader.last

    assert last is not None
    assert (last.by, last.changed) == (By.FILE, ("cache.ttl.default_s",))


def _lifetime(it: Followed) -> float:
    return it.live.current.config.cache.ttl.default_s


async def test_a_file_that_is_gone_for_a_moment_is_no_change(following: Following) -> None:
    """Nor is one of the same content: nothing is reloaded."""
    async with following(server={"watch_config": True}) as it, asyncio.TaskGroup() as group:
        watching = group.create_task(it.reloader.watch())
        text = it.file.read_text()
        it.file.unlink()
        await asyncio.sleep(0.6)
        it.file.write_text(text)
        await asyncio.sleep(0.6)
        is_quiet = it.reloader.last is None
        it.write(cache={"ttl": {"default_s": 77}})
        await until(lambda: _lifetime(it) == 77, "the change")
        watching.cancel()

    assert is_quiet


@pytest.mark.parametrize("content", ["server: {host: 2026-13-45}", "server: &a [*a]", "a: 1"])
async def test_the_file_is_watched_whatever_was_in_it(following: Following, content: str) -> None:
    """What YAML itself trips over is a problem of the file like any other, until it is mended."""
    async with following(server={"watch_config": True}) as it, asyncio.TaskGroup() as group:
        watching = group.create_task(it.reloader.watch())
        it.file.write_text(content)
        await until(lambda: it.events("config_reload_failed") != [], "the problem")
        it.write(cache={"ttl": {"default_s": 77}})
        await until(lambda: _lifetime(it) == 77, "the mended file")
        watching.cancel()


async def test_half_a_file_is_not_followed(following: Following) -> None:
    """It may be a configuration of quite another meaning: with the shipped origin, for instance."""
    async with following() as it:
        source, whole = Source(it.file, {}), it.file.read_text()
        it.file.write_text("server: {port: 0}")

        def read() -> Config:
            config = source.read()
            it.file.write_text(whole)  # the writer goes on just now
            return config

        reloader = Reloader(it.live, read, clock=time.time, file=it.file)
        settled = await reloader.reload(By.SIGNAL)
        it.file.write_bytes(b"")
        emptied = await it.reloader.reload(By.SIGNAL)
        upstream = it.live.current.config.upstream

    assert (settled.ok, settled.changed, settled.needs_restart) == (True, (), ())
    assert emptied.problems == (f"{it.file}: is empty",)
    assert upstream.base_url.startswith("http://127.0.0.1")


async def test_a_file_that_never_rests_is_given_up(following: Following) -> None:
    """A reload ends, whatever is done to the file."""
    async with following() as it:

        def read() -> Config:
            it.file.write_text(f"{it.file.read_text()}\n")
            return Source(it.file, {}).read()

        reloader = Reloader(it.live, read, clock=time.time, file=it.file)
        done = await reloader.reload(By.API)

    assert done.problems == (f"{it.file}: is another whenever it is read",)


async def test_a_fault_of_our_own_ends_no_reloading(following: Following) -> None:
    """Whatever goes wrong in a reload is told as its problem, and the next one goes well."""

    def read() -> Config:
        if faults:
            raise faults.pop()
        held: Config = it.live.current.config
        return held

    faults: list[Exception] = [OverflowError("not today")]
    async with following() as it:
        reloader = Reloader(it.live, read, clock=time.time)
        first, second = await reloader.reload(By.API), await reloader.reload(By.API)

    assert (first.ok, second.ok) == (False, True)
    assert "OverflowError" in first.problems[0]


async def test_a_threshold_holds_for_the_next_request(semantic: Served) -> None:
    """Nothing of a reload keeps the loop from its requests: files are not read there."""
    await semantic.post(chat("How do I reset my password?"))
    before = await semantic.post(chat("How can I reset my password?"), x_session_id="other")
    config = semantic.runtime.config
    surer = config.cache.judgement.model_copy(update={"min_probability": 1.0})
    cache = config.cache.model_copy(update={"judgement": surer})
    await semantic.reloader.live.follow(config.model_copy(update={"cache": cache}))
    after = await semantic.post(chat("How can I reset my password?"), x_session_id="third")

    assert (before.cache, before.tier) == ("HIT", "vector")
    assert after.cache == "MISS"


async def test_new_prices_hold_for_what_the_cache_spends_itself(following: Following) -> None:
    """From the next call on; what was spent before stays as it was counted."""
    async with following(telemetry={"prices": {"m": {"input": 1}}}) as it:
        spending = it.live.current.spending
        spending.spent(Part.EMBEDDER, "m", Usage(1_000_000, 0))
        it.write(telemetry={"prices": {"m": {"input": 5}}})
        await it.reloader.reload(By.API)
        it.live.current.spending.spent(Part.EMBEDDER, "m", Usage(1_000_000, 0))
        told = summary(it.live.current.metrics.families())

    assert told.cost.spent_usd["embedder"] == 6


async def test_the_server_follows(proxy: Served, origin: ScriptedOrigin) -> None:
    """Upstreams' paths, the size of a body, what callers are told, the admin token, `/metrics`."""
    before = [
        (await proxy.post(chat("a" * 3000))).status,
        (await proxy.get("/other/v1/models")).status,
        (await proxy.get("/metrics")).status,
        (await proxy.get("/admin/v1/config")).code,
    ]
    over = {
        "server": {"max_body_bytes": 2000, "expose_cache_headers": False},
        "upstreams": [{"name": "other", "base_url": origin.url, "path_prefix": "/other"}],
        "telemetry": {"metrics": False},
        "admin": {"token": "operators-token-of-32-characters"},
    }
    config = Config.model_validate(merged(proxy.runtime.config.model_dump(), over))
    await proxy.reloader.live.follow(config)
    large, small = await proxy.post(chat("b" * 3000)), await proxy.post(chat("small"))
    after = [
        large.status,
        (await proxy.get("/other/v1/models")).status,
        (await proxy.get("/metrics")).status,
        (await proxy.get("/admin/v1/config")).code,
    ]

    assert before == [200, 404, 200, "admin_is_off"]
    assert after == [413, 200, 404, "missing_admin_token"]
    assert "2000 bytes" in large.json["error"]["message"]
    assert (small.status, small.cache) == (200, None)
