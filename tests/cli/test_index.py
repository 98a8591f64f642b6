"""`reprise index`, as a person runs it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from proxy.cli.index import Backend
from proxy.config import vector
from proxy.core.model import Entry
from proxy.embedding.onnx import OnnxEmbedder
from proxy.tiers.faiss import FaissTier
from proxy.tiers.sqlite import SqliteTier
from tests.cli.test_check import run
from tests.cli.test_evaluate import PAIRS
from tests.cli.test_evaluate import write as lines
from tests.program.test_vectorsets import QUESTION, REWORDED, count
from tests.support.origin import ScriptedOrigin
from tests.support.program import chat, merged, served, settings
from tests.support.servers import RedisServer, ValkeyServer
from tests.support.waiting import until, until_sync
from tests.tiers.builders import Events, FakeClock, entry, unit
from tests.tiers.test_vectorsets import calls

SHIPPED = OnnxEmbedder()
Write = Callable[..., Path]


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "vectors")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def write(tmp_path: Path, vectors: RedisServer) -> Write:
    """Writes a configuration whose entries are in SQLite, and whose index may be in Redis."""

    def written(url: str | None = vectors.url, **over: object) -> Path:
        vector = {"redis": {"url": url}}
        base = settings("http://127.0.0.1:9/v1", tmp_path, cache={"vector": vector})
        file = tmp_path / "c.yaml"
        file.write_text(json.dumps(merged(base, {"embedder": {"kind": "local"}, **over})))
        return file

    return written


def fill(directory: Path, how_many: int) -> None:
    """Store entries, as proxies with the shipped embedder would have."""
    clock = FakeClock()

    def made(number: int) -> Entry:
        vector = unit(number, SHIPPED.dimension)
        return entry(f"question {number}", clock, vector=vector, embedder=SHIPPED.id)

    async def store() -> None:
        tier = SqliteTier(directory / "reprise.db", clock=clock, on_event=Events())
        await tier.start()
        for number in range(how_many):
            await tier.put(made(number))
        await tier.close()

    asyncio.run(store())


def test_every_backend_can_be_moved_to() -> None:
    """Those of the configuration are those of the command."""
    assert list(Backend) == list(get_args(vector.Backend))


def test_there_and_back(tmp_path: Path, write: Write, vectors: RedisServer) -> None:
    """What is moved to Redis and back to a snapshot is whole in both; moved twice adds nothing."""
    fill(tmp_path, 300)
    file = str(write())
    there = run("index", "migrate", "--to", "redis", "--config", file, "--json")
    again = run("index", "migrate", "--to", "redis", "--config", file, "--json")
    assert (there.returncode, again.returncode) == (0, 0), there.stderr + again.stderr
    first, second = json.loads(there.stdout), json.loads(again.stdout)
    back = run("index", "migrate", "--to", "faiss", "--config", file)

    assert (first["entries"], first["added"], first["resumed"]) == (300, 300, False)
    assert (second["entries"], second["added"], second["resumed"]) == (300, 0, True)
    assert count(vectors) == 300
    assert back.returncode == 0
    assert "300 questions are in faiss" in back.stdout

    async def held() -> float:
        index = FaissTier(
            tmp_path / "index.snapshot",
            embedder=SHIPPED.id,
            dimension=SHIPPED.dimension,
            max_entries=1000,
            clock=time.time,
            on_event=Events(),
        )
        await index.start()
        entries = index.stats()["entries"]
        await index.close()
        return entries

    assert asyncio.run(held()) == 300


def test_a_move_that_was_stopped_goes_on(
    tmp_path: Path, write: Write, vectors: RedisServer
) -> None:
    """Ctrl-C says so and ends with 130; the same command then adds what is missing, and no more."""
    fill(tmp_path, 4000)
    command = [sys.executable, "-m", "proxy", "index", "migrate", "--to", "redis", "--json"]
    command += ["--config", str(write())]
    environ = {name: value for name, value in os.environ.items() if name != "CONFIG"}
    child = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    until_sync(lambda: count(vectors) > 500, "a part of the move")
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    before = count(vectors)
    ended = run(*command[3:])
    assert ended.returncode == 0, ended.stderr
    moved = json.loads(ended.stdout)

    assert child.returncode == 130
    assert "goes on from here" in said
    assert before < 4000
    assert moved["resumed"]
    assert 4000 - before <= moved["added"] <= 3600
    assert moved["entries"] == count(vectors) == 4000


def test_looking_at_every_entry_mends(tmp_path: Path, write: Write, vectors: RedisServer) -> None:
    """`--anew` adds what an index has lost, although it says that it is complete."""
    fill(tmp_path, 50)
    file = str(write())
    run("index", "migrate", "--to", "redis", "--config", file)
    [key] = [
        line
        for line in vectors.ask("KEYS *").decode().splitlines()
        if line.startswith("reprise:vec:{") and "/0}:" in line
    ]
    vectors.ask(f"DEL {key}")
    ended = run("index", "migrate", "--to", "redis", "--anew", "--config", file)

    assert ended.returncode == 0
    assert count(vectors) == 50


def test_an_evaluation_uses_redis_and_leaves_nothing(
    tmp_path: Path, write: Write, vectors: RedisServer
) -> None:
    """It decides as with FAISS, in keys of its own: an index that is there is not touched."""
    fill(tmp_path, 5)
    file = write()
    pairs = lines(tmp_path / "pairs_x.jsonl", *PAIRS)
    run("index", "migrate", "--to", "redis", "--config", str(file))
    keys = vectors.ask("DBSIZE")
    here = json.loads(run("eval", "pairs", str(pairs), "--json", "--config", str(file)).stdout)
    chosen = json.loads(file.read_text())
    file.write_text(json.dumps(merged(chosen, {"cache": {"vector": {"backend": "redis"}}})))
    before = calls(vectors, "vadd")
    there = json.loads(run("eval", "pairs", str(pairs), "--json", "--config", str(file)).stdout)

    assert calls(vectors, "vadd") == before + len(PAIRS)
    assert vectors.ask("DBSIZE") == keys
    assert count(vectors) == 5
    assert here["served_share"] == there["served_share"] == 1
    assert here["wrong_share"] == there["wrong_share"] == 0


async def test_proxies_serve_meanwhile(
    tmp_path: Path, origin: ScriptedOrigin, vectors: RedisServer
) -> None:
    """One with the old backend stores and answers; one with the new finds the same afterwards."""
    old = settings(
        origin.url,
        tmp_path,
        cache={"vector": {"redis": {"url": vectors.url}}},
        embedder={"kind": "local"},
    )
    file = tmp_path / "c.yaml"
    file.write_text(json.dumps(old))
    async with served(old, may_block=True) as proxy:
        await proxy.post(chat(QUESTION))
        move = ("index", "migrate", "--to", "redis", "--config", str(file))
        moving = asyncio.get_running_loop().run_in_executor(None, run, *move)
        while not moving.done():
            assert (await proxy.post(chat(REWORDED))).cache == "HIT"
            await asyncio.sleep(0.05)
        assert (await moving).returncode == 0
        await proxy.post(chat("What is the capital of France?"))
    async with served(merged(old, {"cache": {"vector": {"backend": "redis"}}})) as proxy:
        hit = await proxy.post(chat(REWORDED))
        await until(lambda: count(vectors) == 2, "what came after the move")

    assert (hit.cache, hit.tier) == ("HIT", "vector")


def test_clear(tmp_path: Path, write: Write, vectors: RedisServer) -> None:
    """Nothing of the index stays in Redis, and it says how much that was."""
    fill(tmp_path, 20)
    file = str(write())
    run("index", "migrate", "--to", "redis", "--config", file)
    ended = run("index", "clear", "--config", file)

    assert ended.returncode == 0
    assert "20 questions" in ended.stdout
    assert vectors.ask("DBSIZE") == b":0\r\n"


def test_what_does_not_fit_is_the_operators_fault(tmp_path: Path, write: Write) -> None:
    """A missing URL, or a server without vector sets: exit code 2, and the key that is meant."""
    fill(tmp_path, 1)
    without = run("index", "migrate", "--to", "redis", "--config", str(write(None)))
    valkey = ValkeyServer(tmp_path / "valkey")
    valkey.start()
    file = write(valkey.url)
    unfit = run("index", "migrate", "--to", "redis", "--config", str(file))
    chosen = json.loads(file.read_text())
    file.write_text(json.dumps(merged(chosen, {"cache": {"vector": {"backend": "redis"}}})))
    checked = run("check", "--connect", "--config", str(file))
    valkey.kill()
    away = run("check", "--connect", "--config", str(file))

    assert without.returncode == unfit.returncode == checked.returncode == 2
    assert checked.stderr == unfit.stderr
    assert (away.returncode, away.stderr[:6]) == (1, "redis:")
    assert without.stderr.startswith("cache.vector.redis.url: is needed")
    assert unfit.stderr.startswith("cache.vector.backend: needs Redis 8.2")


def test_an_index_in_clear_is_not_made(tmp_path: Path, write: Write, vectors: RedisServer) -> None:
    """Where what is stored is sealed, or has no questions, none are brought to Redis."""
    fill(tmp_path, 1)
    keys = [{"id": "k", "key": "A" * 43 + "="}]
    command = ("index", "migrate", "--to", "redis", "--config")
    refused = [
        run(*command, str(write(cache=cache)))
        for cache in ({"encryption": {"keys": keys}}, {"store_questions": False})
    ]

    assert [one.returncode for one in refused] == [2, 2]
    assert all("it holds questions in clear" in one.stderr for one in refused)
    assert vectors.ask("DBSIZE") == b":0\r\n"


def test_what_does_not_work(tmp_path: Path, write: Write, vectors: RedisServer) -> None:
    """No cache, no index or no server: exit code 1, and the reason in a line."""
    none = run("index", "migrate", "--to", "faiss", "--config", str(write()))
    fill(tmp_path, 1)
    exact = run(
        "index", "migrate", "--to", "faiss", "--config", str(write(embedder={"kind": "none"}))
    )
    vectors.kill()
    away = run("index", "migrate", "--to", "redis", "--config", str(write()))

    assert none.returncode == exact.returncode == away.returncode == 1
    assert "there is no cache yet" in none.stderr
    assert "embedder.kind" in exact.stderr
    assert away.stderr.startswith("redis: ")
