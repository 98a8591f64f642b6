"""What the workers of one port tell each other.

A caller reaches any of them, so that any must be able to speak for all: `/metrics` sums what all
have counted, feedback finds the worker that gave the answer and is heeded by all, and so is what an
operator wants forgotten. Each serves an application of its own for that, on a Unix socket in a
directory that nobody else can look into.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Final
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp import web

from proxy.core.changes import Selector
from proxy.core.labels import Mark
from proxy.errors import NotFoundError, TierError
from proxy.forgetting import Purged
from proxy.reloading import By, Reload, Reloader
from proxy.telemetry import series
from proxy.web import feedback
from proxy.web.admin import events, forgetting, watching
from proxy.web.admin.asked import Invalidation
from proxy.web.app import Handler, envelope
from proxy.web.keys import PEERS, RELOADER, RUNTIME, STOPPING
from proxy.worker import Worker

SERIES: Final = "/series"
COMPLAINT: Final = "/complaint"
INVALIDATION: Final = "/invalidation"
RELOAD: Final = "/reload"

PATIENCE_S: Final = 1.0
"""How long a worker may take to answer another: a scraper's own patience is ten seconds."""

FEEDBACK_S: Final = 30.0
"""How long it may take to act on feedback, or to forget: that waits for what is being stored."""


class Peers:
    """The other workers, as one of them reaches them.

    Args:
        worker: Which this is.
        tally: What it counts.
    """

    def __init__(self, worker: Worker, tally: series.Tally) -> None:
        self._worker = worker
        self._tally = tally
        self._sessions = {
            number: aiohttp.ClientSession(
                "http://worker", connector=aiohttp.UnixConnector(str(worker.socket(number)))
            )
            for number in worker.others
        }

    async def close(self) -> None:
        """Write down what was counted, and leave."""
        for session in self._sessions.values():
            await session.close()
        await self.own()

    async def own(self) -> list[series.Family]:
        """This worker's series."""
        return await asyncio.to_thread(self._tally.take)

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Everybody's series in one exposition, and its content type."""
        return await asyncio.to_thread(series.exposition, await self.together(), accept)

    async def together(self) -> list[series.Family]:
        """Everybody's series, summed.

        One that does not answer is there with what it has told last, so that no sum falls.
        """
        numbers = self._worker.others
        asking = (self._ask(number, "GET", SERIES, PATIENCE_S) for number in numbers)
        own, others = await asyncio.gather(self.own(), asyncio.gather(*asking))
        told = dict(zip(numbers, others, strict=True))
        return await asyncio.to_thread(self._summed, own, told)

    def _summed(
        self, own: list[series.Family], told: Mapping[int, tuple[int, bytes] | None]
    ) -> list[series.Family]:
        parts, answered = {self._worker.number: own}, 1
        for number, reply in told.items():
            if reply is not None and reply[0] == web.HTTPOk.status_code:
                parts[number] = series.loads(reply[1])
                answered += 1
            else:
                parts[number] = series.recorded(self._worker.counted(number))
        together = series.merged([(str(number), parts[number]) for number in sorted(parts)])
        return [*together, series.workers(answered)]

    async def take_feedback(
        self, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes] | None:
        """Have it taken by the worker that gave the answer: (status, body); None when none did."""
        for number in self._worker.others:
            told = await self._ask(number, "POST", feedback.PATH, FEEDBACK_S, body, headers)
            if told is not None and told[0] != NotFoundError.status:
                return told
        return None

    async def complain(self, tenant: str, entry: str, pair: tuple[str, str] | None) -> None:
        """An entry was called wrong: have everybody forget it, and not make that match again.

        Args:
            tenant: Whose it is.
            entry: Its id.
            pair: Scope and pair of a `Mark`; None for an exact repeat.
        """
        body = orjson.dumps({"tenant": tenant, "entry": entry, "pair": pair})
        asking = (
            self._ask(number, "POST", COMPLAINT, PATIENCE_S, body) for number in self._worker.others
        )
        await asyncio.gather(*asking)

    async def forget(self, asked: Invalidation) -> list[Purged | None]:
        """What each of the others has forgotten; None of one that did not, or did not say so."""
        body = asked.model_dump_json(exclude_none=True).encode()
        asking = (
            self._ask(number, "POST", INVALIDATION, FEEDBACK_S, body)
            for number in self._worker.others
        )
        return [_forgotten(reply) for reply in await asyncio.gather(*asking)]

    async def reload(self) -> list[Reload | None]:
        """What came of a reload in each of the others; None of one that did not say."""
        asking = (self._ask(number, "POST", RELOAD, FEEDBACK_S) for number in self._worker.others)
        return [_reload(reply) for reply in await asyncio.gather(*asking)]

    @property
    def numbers(self) -> Iterable[int]:
        """Of the others."""
        return self._worker.others

    async def each(self, path: str, query: Mapping[str, str]) -> list[bytes | None]:
        """What each of the others says of itself; None of one that says nothing in time."""
        target = f"{path}?{urlencode(query)}"
        asking = (self._ask(number, "GET", target, PATIENCE_S) for number in self._worker.others)
        told = await asyncio.gather(*asking)
        return [
            reply[1] if reply is not None and reply[0] == web.HTTPOk.status_code else None
            for reply in told
        ]

    async def lines(self, number: int, path: str, silence_s: float) -> AsyncIterator[bytes]:
        """What another one goes on saying, line by line; ends when it does, or says nothing.

        Args:
            number: Which.
            path: With its query.
            silence_s: How long it may say nothing.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_read=silence_s)
        with suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self._sessions[number].get(path, timeout=timeout) as got:
                async for line in got.content:
                    yield line

    async def _ask(
        self,
        number: int,
        method: str,
        path: str,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes] | None:
        """(status, body); None from one that is not there, or late."""
        session = self._sessions[number]
        try:
            async with (
                asyncio.timeout(seconds),
                session.request(method, path, data=body, headers=headers) as got,
            ):
                return got.status, await got.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None


def _reload(reply: tuple[int, bytes] | None) -> Reload | None:
    if reply is None or reply[0] != web.HTTPOk.status_code:
        return None
    return Reload(**orjson.loads(reply[1]))


def _forgotten(reply: tuple[int, bytes] | None) -> Purged | None:
    if reply is None or reply[0] != web.HTTPOk.status_code:
        return None
    ids, held = orjson.loads(reply[1])
    return Purged(tuple(ids), held)


@asynccontextmanager
async def meeting(reloader: Reloader, app: web.Application) -> AsyncIterator[None]:
    """Reach the others, and be reached by them, inside the block; alone, there is nothing to do."""
    runtime = reloader.live.current
    worker = runtime.worker
    if worker is None:
        yield
        return
    tally = await asyncio.to_thread(
        series.Tally, runtime.metrics.registry, worker.counted(worker.number)
    )
    peers = app[PEERS] = Peers(worker, tally)
    runner = web.AppRunner(
        _private(reloader, peers, app[STOPPING]),
        auto_decompress=False,
        access_log=None,
        handle_signals=False,
    )
    await runner.setup()
    try:
        await web.UnixSite(runner, str(worker.socket(worker.number))).start()
        yield
    finally:
        await runner.cleanup()
        await peers.close()


@web.middleware
async def _settled(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Another one hears of all that was answered here, if it was noted just now."""
    request[RUNTIME].repeats.settle()
    return await handler(request)


def _private(reloader: Reloader, peers: Peers, stopping: asyncio.Event) -> web.Application:
    """What a worker serves to the others only."""

    async def tell(_request: web.Request) -> web.Response:
        return web.Response(body=await asyncio.to_thread(series.dumps, await peers.own()))

    async def heed(request: web.Request) -> web.Response:
        runtime = request[RUNTIME]
        said = orjson.loads(await request.read())
        runtime.session.purge(Selector(said["tenant"], ids=(said["entry"],)))
        if said["pair"] is not None:
            scope, pair = said["pair"]
            runtime.experience.marks.recall([Mark(scope, pair, time.time())])
        # Who is told that it is gone may ask here next: this worker shall have heard of it by then.
        with suppress(TierError):
            await runtime.upkeep.catch_up()
        return web.Response()

    async def forget(request: web.Request) -> web.Response:
        asked = Invalidation.model_validate_json(await request.read())
        done = await forgetting.here(request[RUNTIME].forgetting, asked)
        return web.Response(body=orjson.dumps([done.ids, done.held]))

    async def reload(_request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(asdict(await reloader.reload(By.API))))

    app = web.Application(middlewares=[envelope, _settled])
    app[RELOADER] = reloader
    app[PEERS] = peers
    app[STOPPING] = stopping
    app.router.add_get(SERIES, tell)
    watching.add_own(app.router)
    app.router.add_get(events.OWN_EVENTS, events.tell)
    app.router.add_post(COMPLAINT, heed)
    app.router.add_post(INVALIDATION, forget)
    app.router.add_post(RELOAD, reload)
    app.router.add_post(feedback.PATH, feedback.handle_known)
    return app
