"""Several processes on one port: `server.workers`."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.support.origin import Act, Gate, ScriptedOrigin, scripted_origin
from tests.support.program import KEY, Json, Process, async_sdk, chat, merged, process, settings
from tests.support.servers import RedisServer
from tests.support.waiting import until, until_async, until_sync

WORKERS = 3
QUESTION, REWORDED = "How do I reset my password?", "how do I reset my PASSWORD"
Kept = tuple[Process, ScriptedOrigin]
HEADERS = {"authorization": f"Bearer {KEY}"}


def config_of(
    origin: ScriptedOrigin, directory: Path, workers: int = WORKERS, **over: Json
) -> Json:
    return merged(settings(origin.url, directory, server={"workers": workers}), over)


@pytest.fixture
def running(origin: ScriptedOrigin, tmp_path: Path) -> Iterator[Process]:
    """Two workers with the exact tiers only."""
    with process(config_of(origin, tmp_path, 2), tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Workers, and their origin, that several tests ask; none of them stops the supervisor."""
    directory = tmp_path_factory.mktemp("workers")
    with (
        scripted_origin() as asked,
        process(config_of(asked, directory), directory) as found,
    ):
        yield found, asked


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    own = RedisServer(tmp_path)
    own.start()
    yield own
    own.kill()


class Line:
    """One connection, kept alive: whoever accepted it answers all that is asked on it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
        self.worker = 0

    async def connect(self) -> int:
        """Which worker is at the other end."""
        self.worker = int((await self.get("/readyz")).get("worker", 0))
        return self.worker

    async def get(self, path: str) -> Json:
        async with self.http.get(self.root + path) as got:
            found: Json = await got.json()
            return found

    async def metrics(self) -> str:
        async with self.http.get(f"{self.root}/metrics") as got:
            return await got.text()

    async def ask(self, text: str) -> dict[str, str]:
        """The headers of the answer, which is whole."""
        url = f"{self.root}/v1/chat/completions"
        async with self.http.post(url, json=chat(text), headers=HEADERS) as got:
            await got.read()
            assert got.status == 200
            return {name.lower(): value for name, value in got.headers.items()}

    async def status(self, text: str, headers: dict[str, str]) -> int:
        url = f"{self.root}/v1/chat/completions"
        async with self.http.post(url, json=chat(text), headers=HEADERS | headers) as got:
            await got.read()
            return got.status

    async def feedback(self, **body: str) -> tuple[int, Json]:
        url = f"{self.root}/v1/cache/feedback"
        async with self.http.post(url, json=body, headers=HEADERS) as got:
            return got.status, await got.json()


@asynccontextmanager
async def lines(running: Process, workers: int = WORKERS) -> AsyncIterator[list[Line]]:
    """A connection to each of the workers, in the order of their numbers."""
    async with AsyncExitStack() as stack:
        found: dict[int, Line] = {}
        while len(found) < workers:
            line = Line(running.root)
            stack.push_async_callback(line.http.close)
            found.setdefault(await line.connect(), line)
        yield [found[number] for number in sorted(found)]


async def stored(line: Line, text: str) -> None:
    """Wait until the answer is in the shared tier: another session finds it there alone."""
    headers = {"cache-control": "only-if-cached", "x-session-id": "nobody's"}

    async def is_stored() -> bool:
        return await line.status(text, headers) == 200

    await until_async(is_stored, "the storing")


def pids(running: Process) -> dict[int, int]:
    """The process of each worker's number, as the log says."""
    started = [line for line in running.lines if line["event"] == "worker_started"]
    return {line["worker"]: line["pid"] for line in started}


def requests(text: str) -> float:
    """Answers of the API, by an exposition."""
    found = re.findall(r'^reprise_requests_total{api="chat.*} (\S+)$', text, re.MULTILINE)
    return sum(map(float, found))


async def test_every_worker_hits_what_one_has_stored(kept: Kept) -> None:
    """Callers reach all workers at one address, and each answers from the same cache."""
    running, origin = kept
    before = origin.calls
    async with lines(running) as all_of_them:
        first = await all_of_them[0].ask("Who stored this?")
        await stored(all_of_them[0], "Who stored this?")
        others = [await line.ask("Who stored this?") for line in all_of_them[1:]]
        again = [await line.ask("Who stored this?") for line in all_of_them]

    assert first["x-cache"] == "MISS"
    assert [(got["x-cache"], got["x-cache-tier"]) for got in others] == [("HIT", "shared")] * 2
    assert [got["x-cache-tier"] for got in again] == ["session"] * WORKERS
    assert origin.calls - before == 1


async def test_equal_misses_on_all_workers_are_one_call(kept: Kept) -> None:
    """However many official clients ask whichever workers at once, the origin is asked once."""
    running, origin = kept
    before, answered, gate = origin.calls, len(_requests_by(running)), Gate()
    origin.then(before=gate)

    async def ask() -> str:
        async with async_sdk(running.url) as sdk:
            got = await sdk.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "What do all ask at once?"}]
            )
            return got.choices[0].message.content or ""

    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask()) for _ in range(100)]
        await gate.reached()
        gate.open()
        said = {await task for task in asking}
    # A repeat's line comes a moment after its answer: some may be of the test before.
    await until(lambda: len(_requests_by(running)) >= answered + 100, "all lines of the log")

    assert len(said) == 1
    assert origin.calls - before == 1
    assert set(_requests_by(running)[answered:]) == set(range(1, WORKERS + 1))


def _requests_by(running: Process) -> list[int]:
    return [line["worker"] for line in running.lines if line["event"] == "request"]


async def test_any_worker_tells_the_metrics_of_all(kept: Kept) -> None:
    """Counts are summed whoever is scraped, and a worker's death takes nothing from them."""
    running, _ = kept
    restarts = _restarts(running)
    async with lines(running) as all_of_them:
        before = requests(await all_of_them[0].metrics())
        for line in all_of_them:
            for _ in range(line.worker):
                await line.ask("Who counts?")
        texts = [await line.metrics() for line in all_of_them]
        os.kill(pids(running)[2], signal.SIGKILL)
        after = [await line.metrics() for line in all_of_them if line.worker != 2]
        await until(lambda: _restarts(running) > restarts, "another worker")

        async def all_are_there() -> bool:
            return f"reprise_workers {WORKERS}.0" in await all_of_them[0].metrics()

        await until_async(all_are_there, "its answer")
        anew = await all_of_them[2].metrics()

    assert [requests(text) - before for text in (*texts, *after, anew)] == [6.0] * 6
    assert all(f"reprise_workers {WORKERS}.0" in text for text in texts)
    assert all('reprise_tier_entries{tier="session"}' in text for text in texts)
    assert f'reprise_events_total{{event="worker_restarted"}} {restarts + 1}.0' in anew


def _restarts(running: Process) -> int:
    return sum(line["event"] == "worker_restarted" for line in running.lines)


async def test_feedback_reaches_the_worker_that_answered(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """Given to any worker, a bad verdict removes the entry from all, and none matches it again."""
    config = config_of(origin, tmp_path, 2, embedder={"kind": "local"})
    with process(config, tmp_path) as running:
        async with lines(running, 2) as (one, two):
            await one.ask(QUESTION)
            bad = await one.ask(REWORDED)
            await two.ask(QUESTION)
            unknown = await two.feedback(request_id="req_0", verdict="bad")
            status, done = await two.feedback(request_id=bad["x-request-id"], verdict="bad")
            fresh = await two.ask(QUESTION)
            rewordings = [await line.ask(REWORDED) for line in (two, one)]

    assert bad["x-cache-tier"] == "vector"
    assert (unknown[0], unknown[1]["error"]["code"]) == (404, "unknown_request")
    assert (status, done["removed"], done["marked"]) == (200, True, True)
    assert fresh["x-cache"] == "MISS"
    assert [got["x-cache"] for got in rewordings] == ["MISS", "HIT"]
    assert rewordings[1]["x-cache-tier"] == "shared"
    assert 'detail="feedback: marked bad"' in rewordings[0]["cache-status"]


async def test_with_redis_they_are_replicas_like_any_other(
    origin: ScriptedOrigin, redis: RedisServer, tmp_path: Path
) -> None:
    """What one stores all serve, and what is removed by one none serves."""
    config = config_of(origin, tmp_path, 2, cache={"shared": {"url": redis.url}})
    with process(config, tmp_path) as running:
        async with lines(running, 2) as (one, two):
            await one.ask(QUESTION)
            await stored(one, QUESTION)
            hit = await two.ask(QUESTION)
            again = [await line.ask(QUESTION) for line in (one, two)]
            status, done = await one.feedback(request_id=hit["x-request-id"], verdict="bad")

            async def is_gone_from_both() -> bool:
                headers = {"cache-control": "only-if-cached"}
                statuses = [await line.status(QUESTION, headers) for line in (one, two)]
                return statuses == [504, 504]

            await until_async(is_gone_from_both, "the removal")

    assert (hit["x-cache"], hit["x-cache-tier"]) == ("HIT", "shared")
    assert [got["x-cache-tier"] for got in again] == ["session"] * 2
    assert (status, done["removed"]) == (200, True)
    assert origin.calls == 1


class Callers:
    """Ask the same again and again, each on a connection of its own or on a new one each time."""

    def __init__(self, running: Process, kept_alive: int, new_each_time: int = 0) -> None:
        self._running = running
        self._sizes = [True] * kept_alive + [False] * new_each_time
        self.answered: dict[int, int] = dict.fromkeys(range(kept_alive + new_each_time), 0)
        self.failed: list[tuple[int, BaseException]] = []
        self.workers: dict[int, int] = {}
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Until told to stop, or refused a connection."""
        async with asyncio.TaskGroup() as group:
            for number, is_kept in enumerate(self._sizes):
                group.create_task(self._call(number, is_kept=is_kept))

    async def _call(self, number: int, *, is_kept: bool) -> None:
        line = Line(self._running.root)
        if not is_kept:
            await line.http.close()
            line.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        try:
            while not self.over.is_set():
                try:
                    if is_kept and number not in self.workers:
                        self.workers[number] = await line.connect()
                    await line.ask(QUESTION)
                    self.answered[number] += 1
                except aiohttp.ClientConnectorError:
                    return
                except aiohttp.ClientError as error:
                    self.failed.append((number, error))
        finally:
            await line.http.close()

    async def busy(self, more: int = 5) -> None:
        """Wait until everybody has been answered some more."""
        before = dict(self.answered)
        await until(
            lambda: all(self.answered[n] >= count + more for n, count in before.items()), "load"
        )


async def test_a_killed_worker_costs_its_own_requests_only(kept: Kept) -> None:
    """Who asks another worker notices nothing, and another process takes the dead one's place."""
    running, _ = kept
    restarts = _restarts(running)
    callers = Callers(running, kept_alive=9)
    async with asyncio.TaskGroup() as group:
        group.create_task(callers.run())
        await callers.busy()
        pinned = dict(callers.workers)
        victim = pinned[0]
        os.kill(pids(running)[victim], signal.SIGKILL)
        await until(lambda: _restarts(running) > restarts, "another worker")
        await callers.busy()
        callers.over.set()
    async with lines(running) as all_of_them:
        reached = [line.worker for line in all_of_them]

    numbers = [number for number, _ in callers.failed]
    # Once on the connection that died, and once more in the queue of a socket that is just closing.
    assert all(numbers.count(number) <= 2 for number in numbers)
    assert {pinned[number] for number in numbers} <= {victim}
    assert reached == [1, 2, 3]


async def test_a_stop_under_load_fails_no_request(running: Process) -> None:
    """Every request that was sent is answered whole; then connections are refused."""
    callers = Callers(running, kept_alive=6, new_each_time=4)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(callers.run())
        await callers.busy()
        status = await asyncio.to_thread(running.stop)
        await asking

    assert status == 0
    assert callers.failed == []


async def test_a_stop_lets_streams_of_all_workers_end(
    running: Process, origin: ScriptedOrigin
) -> None:
    """SIGINT, as from a terminal, is a stop too: what is under way on any worker is finished."""
    gates = [Gate() for _ in range(2)]
    for gate in gates:
        origin.then(gates={2: gate})
    async with lines(running, 2) as all_of_them, asyncio.TaskGroup() as group:

        async def stream(line: Line) -> bytes:
            body = chat(f"Who is number {line.worker}?", stream=True)
            url = f"{running.url}/chat/completions"
            async with line.http.post(url, json=body, headers=HEADERS) as got:
                return await got.read()

        streaming = [group.create_task(stream(line)) for line in all_of_them]
        for gate in gates:
            await gate.reached()
        running.child.send_signal(signal.SIGINT)
        await until_async(lambda: _is_refused(running), "the end of listening")
        for gate in gates:
            gate.open()
        whole = [await task for task in streaming]
        status = await asyncio.to_thread(running.child.wait, 20)

    assert [body.endswith(b"data: [DONE]\n\n") for body in whole] == [True] * 2
    assert status == 0


async def _is_refused(running: Process) -> bool:
    async with aiohttp.ClientSession() as http:
        try:
            async with http.get(f"{running.root}/healthz"):
                return False
        except aiohttp.ClientConnectorError:
            return True
        except aiohttp.ClientError:
            return False


async def test_a_second_signal_ends_at_once(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Whoever does not want to wait for the requests under way says it twice."""
    gate = Gate()
    origin.always = Act(before=gate)
    config = config_of(origin, tmp_path, 2, server={"drain_s": 600})
    with process(config, tmp_path) as running:
        async with lines(running, 2) as (one, _), asyncio.TaskGroup() as group:

            async def ask() -> None:
                with suppress(aiohttp.ClientError):
                    await one.ask(QUESTION)

            asking = group.create_task(ask())
            await gate.reached()
            running.child.send_signal(signal.SIGTERM)
            await until_async(lambda: _is_refused(running), "the end of listening")
            assert running.child.poll() is None
            running.child.send_signal(signal.SIGTERM)
            status = await asyncio.to_thread(running.child.wait, 20)
            await asking

    assert status == 1
    assert all(not _is_alive(pid) for pid in pids(running).values())


def test_workers_do_not_outlive_their_supervisor(running: Process) -> None:
    """When it is killed they end too: nobody is left who holds the port."""
    found = pids(running)
    running.kill()

    until_sync(lambda: not any(_is_alive(pid) for pid in found.values()), "the workers' end")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def serve(file: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "proxy", "serve", "--config", str(file)],
        env={"PATH": "", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port(kept: Kept, origin: ScriptedOrigin, tmp_path: Path) -> None:
    """A port that workers share is not shared with another proxy: one line says it is taken."""
    port = kept[0].root.rsplit(":", 1)[1]
    file = tmp_path / "proxy.yaml"
    file.write_text(json.dumps(config_of(origin, tmp_path)))
    ended = [serve(file, PORT=port, WORKERS=count) for count in ("1", "2")]

    assert [one.returncode for one in ended] == [1, 1]
    assert all(one.stderr.startswith(f"cannot listen on 127.0.0.1:{port}") for one in ended)
    assert all(one.stderr.count("\n") == 1 for one in ended)


def test_no_room_to_meet(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Where workers cannot have the sockets they meet at, one line names the key and the reason."""
    deep = tmp_path / ("long" * 30)
    deep.mkdir()
    file = tmp_path / "proxy.yaml"
    file.write_text(json.dumps(config_of(origin, tmp_path)))
    ended = serve(file, TMPDIR=str(deep))

    assert ended.returncode == 2
    assert ended.stderr.startswith("server.workers: no room for sockets in TMPDIR: ")
    assert ended.stderr.count("\n") == 1
