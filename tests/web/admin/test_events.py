"""`GET /admin/v1/events`: what happens, as it happens."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
from pydantic import SecretStr

from proxy.config import Config
from proxy.listening import bound
from proxy.resilience import Tasks
from proxy.runtime import open_live
from proxy.telemetry.following import WAITING
from proxy.telemetry.watching import Watch
from proxy.web.server import listen
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Json, Served, Serving, chat, reloader_of, settings
from tests.support.waiting import PATIENCE_S
from tests.web.admin.calling import ADMIN, TOKEN, call

EVENTS = "/admin/v1/events"
HEADERS = {"authorization": f"Bearer {TOKEN}"}


class Message(NamedTuple):
    id: str
    event: str
    data: Json


class Reader:
    """Reads a stream of events, as a browser would."""

    def __init__(self, got: aiohttp.ClientResponse) -> None:
        self.got = got
        self.last_id = ""

    async def block(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            while line := (await self.got.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
        return fields

    async def opened(self) -> None:
        self.last_id = (await self.block())["id"]

    async def next(self, *events: str) -> Message:
        """The next message of these names."""
        while True:
            fields = await self.block()
            self.last_id = fields.get("id", self.last_id)
            if fields.get("event") in events:
                return Message(self.last_id, fields["event"], json.loads(fields["data"]))


@asynccontextmanager
async def following(proxy: Served, last_id: str = "") -> AsyncIterator[Reader]:
    headers = HEADERS | ({"last-event-id": last_id} if last_id else {})
    async with proxy.http.get(proxy.root + EVENTS, headers=headers) as got:
        assert (got.status, got.content_type) == (200, "text/event-stream")
        reader = Reader(got)
        await reader.opened()
        yield reader


async def test_requests_and_events_come_as_they_happen(watched: Served) -> None:
    """A request as the list has it, and every event with the fields of its log line."""
    async with following(watched) as reader:
        await watched.post(chat())
        one = await reader.next("request")
        await call(watched, "GET", "/admin/v1/stats")
        act = await reader.next("event")
    listed = (await call(watched, "GET", "/admin/v1/requests")).json["data"][0]

    assert one.data == listed
    assert "question" not in one.data
    assert (act.data["name"], act.data["act"]) == ("admin_act", "stats")
    assert act.data["at"] >= one.data["at"]


async def test_questions_are_there_where_they_are_shown(serving: Serving) -> None:
    """As everywhere in the admin API."""
    async with (
        serving(admin={**ADMIN, "show_questions": True}) as proxy,
        following(proxy) as reader,
    ):
        await proxy.post(chat("What is a heron?"))
        assert (await reader.next("request")).data["question"] == "What is a heron?"


async def test_whoever_was_cut_off_goes_on_where_he_stopped(watched: Served) -> None:
    """Nothing that happened meanwhile is missing, and nothing is told twice."""
    async with following(watched) as reader:
        await watched.post(chat("one"))
        last = await reader.next("request")
    for text in ("two", "three"):
        await watched.post(chat(text))
    async with following(watched, last.id) as reader:
        missed = [await reader.next("request", "dropped") for _ in range(2)]
        await watched.post(chat("four"))
        new = await reader.next("request", "dropped")
    listed = (await call(watched, "GET", "/admin/v1/requests")).json["data"]

    told = [last, *missed, new]
    assert [one.data["id"] for one in told] == [one["id"] for one in reversed(listed)]


async def test_whoever_was_away_too_long_is_told_how_much_is_missing(watched: Served) -> None:
    """More than is remembered has happened: the rest is told, after the number of what is not."""
    async with following(watched) as reader:
        await watched.post(chat("one"))
        last = await reader.next("request")
    for number in range(WAITING):
        watched.runtime.watch.event("noise", number=number)
    async with following(watched, last.id) as reader:
        dropped = await reader.next("event", "dropped")
        first = await reader.next("event")

    assert dropped.event == "dropped"
    assert dropped.data["count"] == first.data["number"] > 0


async def test_after_a_restart_a_reader_learns_that_something_may_be_missing(
    serving: Serving,
) -> None:
    """The next process goes on with its own sequence, which begins above the last one's."""
    async with serving(admin=ADMIN) as proxy, following(proxy) as reader:
        await proxy.post(chat("one"))
        last = await reader.next("request")
    async with serving(admin=ADMIN) as proxy:
        await proxy.post(chat("two"))
        async with following(proxy, last.id) as reader:
            dropped = await reader.next("dropped", "request")
            again = await reader.next("request")

    assert (dropped.event, dropped.data) == ("dropped", {"count": None})
    assert again.data["result"] == "MISS"


async def noise(watch: Watch, rounds: int) -> None:
    """More than the buffers of any connection hold."""
    for _ in range(rounds):
        for number in range(WAITING):
            watch.event("noise", number=number, text="x" * 300)
        await asyncio.sleep(0.001)


async def test_a_reader_who_never_reads_holds_up_nobody(watched: Served) -> None:
    """Requests are answered, and others are told of them."""
    tasks = Tasks(watched.runtime.observer)
    async with following(watched), following(watched) as other:
        reading = tasks.start("reading", other.next("request"))
        await noise(watched.runtime.watch, 12)
        ids = set()
        while not reading.done():  # what came while too much waited for him as well was dropped
            ids.add((await watched.post(chat())).headers["x-request-id"])

    assert (await reading).data["id"] in ids


async def test_a_slow_reader_is_told_how_much_he_has_missed(watched: Served) -> None:
    """What does not fit is dropped and counted: told and dropped are all there was."""
    count = 3 * WAITING
    async with following(watched) as reader:
        watch = watched.runtime.watch
        for number in range(count):
            watch.event("noise", number=number, text="x" * 300)
        watch.event("last")
        told, lost = 0, 0
        while told + lost <= count:
            one = await reader.next("event", "dropped")
            if one.event == "dropped":
                lost += one.data["count"]
            else:
                told += 1

    assert lost > 0
    assert told + lost == count + 1


async def test_the_server_stops_although_somebody_follows(
    origin: ScriptedOrigin, tmp_path: Path
) -> None:
    """No reader is waited for: one who reads sees the end, one who never does is let go."""
    config = settings(origin.url, tmp_path, admin=ADMIN, server={"drain_s": 60})
    async with (
        open_live(Config.model_validate(config), io.StringIO()) as live,
        aiohttp.ClientSession() as http,
    ):
        async with asyncio.timeout(PATIENCE_S), AsyncExitStack() as server:
            sockets = bound("127.0.0.1", 0)
            url = await server.enter_async_context(listen(reloader_of(live), sockets))
            path = url.removesuffix("/v1") + EVENTS
            reading, _ = [await http.get(path, headers=HEADERS) for _ in range(2)]
            tasks = Tasks(live.current.observer)
            end = tasks.start("reading", reading.read())
            await noise(live.current.watch, 30)
        assert b"event: event" in await end


async def test_a_reload_holds_for_who_follows(serving: Serving) -> None:
    """Questions are shown, and hidden, from then on; a token that is none any more ends it."""
    async with serving(admin={**ADMIN, "show_questions": True}) as proxy:
        live = proxy.reloader.live
        config = live.current.config
        hidden = config.admin.model_copy(update={"show_questions": False})
        other = hidden.model_copy(update={"token": SecretStr("another-token-of-32-characters")})
        async with following(proxy) as reader:
            await proxy.post(chat("one"))
            shown = await reader.next("request")
            await live.follow(config.model_copy(update={"admin": hidden}))
            await proxy.post(chat("two"))
            now_hidden = await reader.next("request")
            await live.follow(config.model_copy(update={"admin": other}))
            await proxy.post(chat("three"))
            rest = await reader.got.content.read()

    assert shown.data["question"] == "one"
    assert "question" not in now_hidden.data
    assert b"event: request" not in rest


async def test_nobody_follows_without_the_token(watched: Served) -> None:
    """And what is no id of this stream is refused."""
    bad = await watched.get(EVENTS, **HEADERS, last_event_id="seven")

    assert (await call(watched, "GET", EVENTS, KEY)).status == 401
    assert (bad.status, bad.json["error"]["param"]) == (400, "last-event-id")
