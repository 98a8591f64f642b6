"""What an entry takes and a request costs: `python -m bench.capacity [entries]`, 0 for no sizes.

The figures behind docs/scaling.md. Sizes: entries of several shapes are put into a real Redis, a
SQLite file and the session tier, and what each has grown by is divided by their number. Costs: the
real program answers hits and misses, and Redis's own counters say what that took.
"""

import asyncio
import io
import json
import random
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from proxy.config import Config
from proxy.core.model import Answer, Caller, Entry, Scope, Usage
from proxy.runtime import Runtime, open_runtime
from proxy.tiers.codec import decode, encode
from proxy.tiers.session import MemoryTier, size_of
from tests.support.completions import chunks, completion
from tests.support.origin import scripted_origin
from tests.support.program import Process, async_sdk, chat, process, settings
from tests.support.servers import RedisServer

DIMENSION = 384
SCOPE = Scope("acme", "", "chat", "gpt-4o-mini")
PREFIX = "reprise"


@dataclass(frozen=True)
class Shape:
    """An answer of so many words, whole or streamed word by word, with a vector or without.

    Attributes:
        share: Of the entries asked for, how many are made: streams of many chunks take memory.
    """

    name: str
    words: int
    streamed: bool = False
    vector: bool = True
    share: float = 1.0


SHAPES = (
    Shape("100 words, exact only", 100, vector=False),
    Shape("100 words", 100),
    Shape("500 words", 500),
    Shape("2,000 words", 2000),
    Shape("100 words, streamed", 100, streamed=True),
    Shape("500 words, streamed", 500, streamed=True, share=0.2),
)


def entries_of(shape: Shape, count: int) -> Iterator[Entry]:
    """Real-shaped: text of words by falling frequency, in the origin's JSON or chunks."""
    draws = random.Random(shape.name)
    vocabulary = [_word(draws) for _ in range(5000)]
    weights = [1 / (2 + rank) for rank in range(len(vocabulary))]
    rows = np.random.default_rng(0).standard_normal((count, DIMENSION), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    now = time.time()
    for number in range(count):
        question = " ".join(draws.choices(vocabulary, weights, k=12)) + f" {number}?"
        said = " ".join(draws.choices(vocabulary, weights, k=shape.words))
        yield Entry(
            id=SCOPE.key(question),
            scope=SCOPE.id,
            tenant=SCOPE.tenant,
            namespace=SCOPE.namespace,
            model=SCOPE.model,
            question=question,
            answer=_answer(question, said, number, streamed=shape.streamed),
            created_at=now,
            expires_at=now + 86_400,
            kept_until=now + 90_000,
            vector=rows[number] if shape.vector else None,
            embedder="minilm" if shape.vector else "",
        )


def _word(draws: random.Random) -> str:
    letters = draws.choices("etaoinshrdlucmfwypvbgk", k=max(2, round(draws.gauss(6, 2))))
    return "".join(letters)


def _answer(question: str, said: str, number: int, *, streamed: bool) -> Answer:
    message = {"role": "assistant", "content": said, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    whole = completion(chat(question), [choice], number)
    frames = chunks(whole, include_usage=True) if streamed else ()
    return Answer(
        json.dumps(whole).encode(),
        tuple(json.dumps(frame, separators=(",", ":")).encode() for frame in frames),
        Usage(12, 130),
        ("stop",),
    )


class Counters:
    """What Redis has counted so far."""

    def __init__(self, server: RedisServer) -> None:
        told = {}
        for section in ("stats", "memory", "commandstats"):
            for line in server.ask(f"INFO {section}").decode().splitlines():
                name, _, value = line.partition(":")
                told[name] = value
        self.memory = int(told["used_memory"])
        self.received = int(told["total_net_input_bytes"])
        self.sent = int(told["total_net_output_bytes"])
        self.calls = {
            name.removeprefix("cmdstat_"): int(value.partition(",")[0].removeprefix("calls="))
            for name, value in told.items()
            if name.startswith("cmdstat_")
        }
        self.busy_us = sum(
            float(value.partition("usec=")[2].partition(",")[0])
            for name, value in told.items()
            if name.startswith("cmdstat_") and name not in {"cmdstat_info", "cmdstat_config"}
        )


def redis_config(server: RedisServer, directory: Path, origin: str, **cache: object) -> dict:
    """The shipped timings, so that what is counted is what runs."""
    shared = {"url": server.url, "poll_s": 1, "key_prefix": PREFIX}
    base = settings(origin, directory, cache={"shared": shared, "breaker": {"retry_s": 1}})
    base["cache"] |= cache
    return base


async def put_all(runtime: Runtime, entries: list[Entry]) -> float:
    """Seconds a hundred at a time took."""
    began = time.perf_counter()
    for at in range(0, len(entries), 100):
        await asyncio.gather(*map(runtime.shared.put, entries[at : at + 100]))
    return time.perf_counter() - began


async def sizes(count: int) -> None:
    print(
        f"## Bytes an entry, of {count}\n\n"
        "| entry | payload | encoded | Redis, all | its value | SQLite | session, measured "
        "| session, as bounded | Redis puts/s |\n|---|---|---|---|---|---|---|---|---|"
    )
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as name:
            entries = list(entries_of(shape, int(count * shape.share)))
            redis, value, rate = await in_redis(entries, Path(name))
            cells = [
                np.mean([entry.answer.size for entry in entries]),
                np.mean([len(encode(entry)) for entry in entries]),
                redis,
                value,
                await in_sqlite(entries, Path(name)),
                in_session(entries),
                np.mean([size_of(entry) for entry in entries]),
                rate,
            ]
            print(f"| {shape.name} | {' | '.join(f'{cell:,.0f}' for cell in cells)} |", flush=True)


async def in_redis(entries: list[Entry], directory: Path) -> tuple[float, float, float]:
    """Growth of `used_memory`, MEMORY USAGE of the values, and puts a second."""
    server = RedisServer(directory / "redis")
    server.start()
    try:
        made = Config.model_validate(redis_config(server, directory, "http://127.0.0.1:9/v1"))
        async with open_runtime(made, io.StringIO()) as runtime:
            await put_all(runtime, entries[:1])
            before = Counters(server).memory
            seconds = await put_all(runtime, entries[1:])
            await asyncio.sleep(0.3)  # until its buffers are given back
            grown = Counters(server).memory - before
            keys = [key for key in await scan(server) if ":e:" in key][:200]
            usage = [int(server.ask(f"MEMORY USAGE {key}").strip(b":\r\n")) for key in keys]
            return grown / (len(entries) - 1), float(np.mean(usage)), (len(entries) - 1) / seconds
    finally:
        server.kill()


async def scan(server: RedisServer) -> list[str]:
    """Some keys."""
    lines = server.ask(f"SCAN 0 MATCH {PREFIX}:* COUNT 400").decode().split("\r\n")
    return [line for line in lines if line.startswith(PREFIX)]


async def in_sqlite(entries: list[Entry], directory: Path) -> float:
    """Growth of the file, its log folded in."""
    file = directory / "size.db"
    shared = {"cache": {"shared": {"url": f"sqlite:///{file}"}}}
    base = settings("http://127.0.0.1:9/v1", directory, **shared)
    async with open_runtime(Config.model_validate(base), io.StringIO()) as runtime:
        await put_all(runtime, entries)
    return await asyncio.to_thread(_bytes_of, directory, "size.db*") / len(entries)


def _bytes_of(directory: Path, pattern: str) -> int:
    return sum(one.stat().st_size for one in directory.glob(pattern))


def in_session(entries: list[Entry]) -> float:
    """What Python allocates for entries that came from the shared tier."""
    coded = [encode(entry) for entry in entries]
    tier = MemoryTier(clock=time.time, max_entries=len(entries), max_bytes=1 << 40, ttl_s=1e9)
    caller = Caller("acme")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for data in coded:
        tier.put(caller, decode(data))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return grown / len(entries)


@dataclass(frozen=True)
class Cost:
    """Of one request, to Redis: commands (those in scripts too), bytes each way, its own time."""

    commands: float
    received: float
    sent: float
    busy_us: float


WARM = 20
ASKED = 400
SELDOM = 0.01
"""Commands a request below which one is not listed."""


async def costs() -> dict[str, Cost]:
    made: dict[str, Cost] = {}
    print(
        "\n## Redis, a request\n\n| request | commands | bytes to Redis | bytes from Redis "
        "| us of Redis | which |\n|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name, scripted_origin() as origin:
        directory = Path(name)
        origin.always = type(origin.always)(text=" ".join(["word"] * 100))
        server = RedisServer(directory / "redis")
        server.start()
        own = {"judgement": {"verifier": "local", "labels": f"{directory}/a.labels"}}
        first = redis_config(server, directory, origin.url, **own) | {"embedder": {"kind": "local"}}
        second = json.loads(json.dumps(first).replace("/a.labels", "/b.labels"))
        second["cache"]["vector"]["snapshot"] = f"{directory}/b.snapshot"
        try:
            with process(first, directory, "one") as one:
                await idle(server, "a second, one idle proxy")
                question = "How is word {} spelled in French?"
                reworded = "How is the word {} spelled in French?"
                made["miss"] = await requests(server, one, "miss, stored", question)
                made["session"] = await requests(server, one, "session hit", question)
                made["vector"] = await requests(server, one, "vector hit", reworded)
                with process(second, directory, "two") as two:
                    await asyncio.sleep(2)
                    made["shared"] = await requests(server, two, "shared hit", question)
                    await idle(server, "a second, two idle proxies")
                    made["followed"] = await requests(
                        server, one, "miss, stored, another proxy follows", "Is {} a prime number?"
                    )
        finally:
            server.kill()
    return made


async def idle(server: RedisServer, name: str) -> None:
    before, seconds = Counters(server), 5
    await asyncio.sleep(seconds)
    show(name, before, Counters(server), seconds)


async def requests(server: RedisServer, running: Process, name: str, form: str) -> Cost:
    """Eight at a time, and a moment for what is done after the answer."""
    said: dict[str, int] = {}

    async def one(number: int) -> None:
        answer = await sdk.chat.completions.with_raw_response.create(**chat(form.format(number)))
        told = " ".join(filter(None, map(answer.headers.get, ("x-cache", "x-cache-tier"))))
        said[told] = said.get(told, 0) + 1

    async with async_sdk(running.url) as sdk:
        for number in range(WARM):  # scripts, connections
            await one(number)
        await asyncio.sleep(1)
        said.clear()
        before = Counters(server)
        for at in range(WARM, WARM + ASKED, 8):
            await asyncio.gather(*(one(number) for number in range(at, at + 8)))
        await asyncio.sleep(1)
        after = Counters(server)
    parts = ", ".join(f"{count} {result}" for result, count in said.items())
    return show(f"{name} ({parts})", before, after, ASKED)


def show(name: str, before: Counters, after: Counters, times: int) -> Cost:
    own = {"info", "config|get"}  # ours, not the program's
    calls = {
        command: (count - before.calls.get(command, 0)) / times
        for command, count in after.calls.items()
        if command not in own
    }
    which = ", ".join(
        f"{command} {count:.2f}" for command, count in calls.items() if count >= SELDOM
    )
    cost = Cost(
        sum(calls.values()),
        (after.received - before.received) / times,
        (after.sent - before.sent) / times,
        (after.busy_us - before.busy_us) / times,
    )
    cells = [f"{cost.commands:.1f}", f"{cost.received:,.0f}", f"{cost.sent:,.0f}"]
    print(f"| {name} | {' | '.join(cells)} | {cost.busy_us:,.0f} | {which} |", flush=True)
    return cost


MIXES = {
    "callers return to the same proxy": {"session": 0.6, "shared": 0.2, "vector": 0.2},
    "many proxies, any caller at any": {"session": 0.1, "shared": 0.5, "vector": 0.4},
}
"""Of the hits, what each tier answers."""
FOLLOWERS = 3
LIVES_S = 90_000
"""Seconds an entry is kept, as shipped."""
ENTRY_BYTES = 3_700
"""Redis, all, of 100 words with a vector."""


def plan(costs: dict[str, Cost]) -> None:
    """Per 1,000 requests a second, every miss stored, four proxies in all."""
    print(
        "\n## A thousand requests a second\n\n| hit rate | hits | commands/s | to Redis, Mbit/s "
        "| from Redis, Mbit/s | of that, to followers | Redis busy | kept at last | GB |"
        "\n|---|---|---|---|---|---|---|---|---|"
    )
    numbers = {name: np.array(astuple(cost)) for name, cost in costs.items()}
    follower = np.maximum(0.0, numbers["followed"] - numbers["miss"])
    for rate in (0.2, 0.5, 0.8):
        misses = 1000 * (1 - rate)
        for name, mix in MIXES.items():
            hits = sum(1000 * rate * share * numbers[tier] for tier, share in mix.items())
            followers = misses * FOLLOWERS * follower
            commands, received, sent, busy_us = hits + misses * numbers["miss"] + followers
            cells = [
                f"{rate}",
                name,
                f"{commands:,.0f}",
                f"{received * 8 / 1e6:.0f}",
                f"{sent * 8 / 1e6:.0f}",
                f"{followers[2] * 8 / 1e6:.0f}",
                f"{busy_us / 1e6:.0%}",
                f"{misses * LIVES_S / 1e6:.0f} million",
                f"{misses * LIVES_S * ENTRY_BYTES / 1e9:.0f}",
            ]
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    if entries:
        asyncio.run(sizes(entries))
    plan(asyncio.run(costs()))
