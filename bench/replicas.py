"""How soon replicas see one another's changes, and what taking turns costs a miss.

    python bench/replicas.py [--sqlite] [seconds]

Four real processes share a Redis (or an SQLite file), store 500 answers a second between them, each
with a vector of 384, and delete one in ten of them. A change is seen once the index of another
process finds the entry, or no longer does; it counts from before the call that made it, so that
storing, or deleting, is part of the time. All processes share one machine, and its clock.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from proxy.coalescing import Turns
from proxy.config import Config
from proxy.core.changes import Added, Changes, Removed, Selector
from proxy.core.model import Answer, CacheRequest, Caller, Directives, Entry, Scope, Usage, Vector
from proxy.errors import TierError
from proxy.parts.sharing import Sharing, build
from proxy.resilience import Pace, Probe, Stage, Tasks
from proxy.tiers.faiss import FaissTier
from proxy.tiers.session import MemoryTier
from proxy.upkeep import Every, Upkeep
from tests.support.ports import Heard
from tests.support.servers import RedisServer

REPLICAS = 4
WRITES_PER_S = 500
DELETES = 0.1
DIMENSION = 384
SCOPE = Scope("bench", "", "chat", "gpt")
ANSWER = Answer(b'{"choices": []}' + b" " * 900, usage=Usage(1, 2))
MISSES = 1000
SPAN_S, LATE_S = 0.1, 0.005
AFTER_S = 4.0
"""Until the last changes have arrived, also on a machine that is busy."""
WARM_S = 1.0
"""Until connections are made; not counted."""


class Seen:
    """An index that notes when each change has been folded."""

    def __init__(self) -> None:
        self.added: dict[str, float] = {}
        self.removed: dict[str, float] = {}
        self._tier = FaissTier(
            None,
            embedder="e",
            dimension=DIMENSION,
            max_entries=10**6,
            clock=time.time,
            on_event=lambda *_, **__: None,
        )

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the tier's own
        return getattr(self._tier, name)

    async def apply(self, changes: Changes) -> None:
        await self._tier.apply(changes)
        now = time.time()
        for item in changes.items:
            match item:
                case Added():
                    self.added.setdefault(item.id, now)
                case Removed():
                    self.removed.setdefault(item.id, now)


def shared(url: str, tasks: Tasks) -> Sharing:
    config = Config.model_validate({"cache": {"shared": {"url": url}}})
    heard = Heard()

    def stage_of(name: str, probe: Probe, pace: Pace | None = None) -> Stage:
        return Stage(name, probe, tasks=tasks, observer=heard, pace=pace)

    return build(config, stage_of, heard)


def entry_of(question: str, vector: Vector) -> Entry:
    now = time.time()
    return Entry(
        id=SCOPE.key(question),
        scope=SCOPE.id,
        tenant="bench",
        namespace="",
        model="gpt",
        question=question,
        answer=ANSWER,
        created_at=now,
        expires_at=now + 1000,
        kept_until=now + 1000,
        vector=vector,
        embedder="e",
    )


class Replica:
    """One process: stores, deletes, follows, and prints what it did and saw."""

    def __init__(self, number: int, url: str) -> None:
        self.number = number
        self.tasks = Tasks(Heard())
        self.parts = shared(url, self.tasks)
        self.seen = Seen()
        self.stored: dict[str, float] = {}
        self.deleted: dict[str, float] = {}
        self.failed = 0
        self.late: list[float] = []
        session = MemoryTier(clock=time.time, max_entries=10_000, max_bytes=1 << 26, ttl_s=600)
        self.upkeep = Upkeep(
            session,
            self.parts.tier,
            self.seen,
            clock=time.time,
            observer=Heard(),
            watch=self.parts.watch,
            every=Every(poll_s=1.0),
        )

    async def run(self, begins: float, seconds: float) -> None:
        await self.parts.stage.start()
        await self.upkeep.start()
        works = self.upkeep.works()
        self.tasks.run("follow", works.pop("follow"))
        for unused in works.values():
            unused.close()
        await asyncio.sleep(max(0.0, begins - time.time()))
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        vectors = np.random.default_rng(self.number).standard_normal((2000, DIMENSION), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        pause = REPLICAS / WRITES_PER_S
        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds / pause)):
                await asyncio.sleep(max(0.0, begins + number * pause - time.time()))
                self.late.append(time.time() - begins - number * pause)
                made = entry_of(f"{self.number} {number}", vectors[number % len(vectors)])
                group.create_task(self.store(made, delete=number % round(1 / DELETES) == 0))
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - used
        await asyncio.sleep(AFTER_S)
        await self.tasks.close()
        await self.parts.tier.close()
        said = {
            "stored": self.stored,
            "deleted": self.deleted,
            "added": self.seen.added,
            "removed": self.seen.removed,
            "failed": self.failed,
            "late": self.late,
            "cpu": used / seconds,
        }
        sys.stdout.write(json.dumps(said))

    async def store(self, entry: Entry, *, delete: bool) -> None:
        try:
            self.stored[entry.id] = time.time()
            await self.parts.tier.put(entry)
            await self.upkeep.catch_up()
            if delete:
                await asyncio.sleep(1)
                self.deleted[entry.id] = time.time()
                await self.parts.tier.purge(Selector("bench", ids=(entry.id,)))
                await self.upkeep.catch_up()
        except TierError:
            self.failed += 1


def told(name: str, times: Sequence[float]) -> str:
    if not times:
        return f"{name:28} none"
    p50, p99, most = np.percentile(np.array(times) * 1000, [50, 99, 100])
    return f"{name:28} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   max {most:7.2f} ms   n {len(times)}"


def visibility(url: str, seconds: float) -> None:
    begins = time.time() + 6
    command = [sys.executable, __file__, str(seconds), "--url", url, "--begins", str(begins)]
    running = [
        subprocess.Popen([*command, "--replica", str(number)], stdout=subprocess.PIPE)
        for number in range(REPLICAS)
    ]
    replicas = [json.loads(one.communicate()[0]) for one in running]
    busy = busy_times(replicas, begins)
    for what, made, seen in (("added", "stored", "added"), ("deleted", "deleted", "removed")):
        late, quiet = [], []
        lost = 0
        for source in replicas:
            others = [other for other in replicas if other is not source]
            for entry_id, at in source[made].items():
                if at < begins + WARM_S:
                    continue
                for other in others:
                    if entry_id in other[seen]:
                        late.append(other[seen][entry_id] - at)
                        if int(at / SPAN_S) not in busy:
                            quiet.append(late[-1])
                    else:
                        lost += 1
        print(told(f"{what}, seen by another", late), f"  never {lost}")
        print(told("  while all timers kept time", quiet))
    print(told("a timer, how late", [late for one in replicas for late in one["late"]]))
    failed = sum(one["failed"] for one in replicas)
    cpu = ", ".join(f"{one['cpu']:.2f}" for one in replicas)
    print(f"failed calls {failed}; a replica's share of a core: {cpu}")


def busy_times(replicas: Sequence[dict[str, Any]], begins: float) -> set[int]:
    """Spans in which the machine was late with some timer: what it did then says little of us."""
    pause = REPLICAS / WRITES_PER_S
    late = (
        begins + number * pause + lateness
        for one in replicas
        for number, lateness in enumerate(one["late"])
        if lateness > LATE_S
    )
    return {int(at / SPAN_S) + near for at in late for near in (-1, 0)}


async def costs(url: str) -> None:
    """What a miss pays that meets nobody, and what waiting costs who is idle."""
    tasks = Tasks(Heard())
    parts = shared(url, tasks)
    await parts.stage.start()
    turns = Turns(
        parts.leases,
        (parts.tier, parts.stage),
        tasks=tasks,
        clock=time.time,
        deadline_s=0.25,
        wait_s=30,
    )
    before, whole, gets = [], [], []
    for number in range(MISSES):
        request = CacheRequest(
            scope=SCOPE,
            caller=Caller("bench"),
            directives=Directives(),
            question="q",
            key=SCOPE.key(f"m{number}"),
            stream=False,
            include_usage=False,
            body={},
        )
        began = time.perf_counter()
        await parts.tier.get(SCOPE.id, request.key)
        gets.append(time.perf_counter() - began)
        began = time.perf_counter()
        async with turns.taken(request, "credential"):
            before.append(time.perf_counter() - began)
            began = time.perf_counter()
        whole.append(time.perf_counter() - began)
    print(told("a get, for comparison", gets))
    print(told("a miss takes its turn", before))
    print(told("and gives it back", whole))
    idle = resource.getrusage(resource.RUSAGE_SELF)
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while True:
                await parts.watch.wait(5)
    ended = resource.getrusage(resource.RUSAGE_SELF)
    used = ended.ru_utime + ended.ru_stime - idle.ru_utime - idle.ru_stime
    print(f"waiting for news while nothing happens: {used / 5:.4f} of a core")
    await tasks.close()
    await parts.tier.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("seconds", nargs="?", type=float, default=10.0)
    options.add_argument("--sqlite", action="store_true")
    options.add_argument("--url")
    options.add_argument("--replica", type=int)
    options.add_argument("--begins", type=float)
    chosen = options.parse_args()
    if chosen.replica is not None:
        asyncio.run(Replica(chosen.replica, chosen.url).run(chosen.begins, chosen.seconds))
        return
    with tempfile.TemporaryDirectory() as directory:
        server = RedisServer(Path(directory) / "redis")
        url = f"sqlite:///{directory}/bench.db"
        if not chosen.sqlite:
            server.start()
            url = server.url
        print("sqlite" if chosen.sqlite else "redis", f"{REPLICAS} processes, {WRITES_PER_S}/s")
        visibility(url, chosen.seconds)
        asyncio.run(costs(url))
        server.kill()


if __name__ == "__main__":
    main()
