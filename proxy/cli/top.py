"""`reprise top`: the requests of a running proxy as they are answered, and how many they are."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proxy.cli.exits import EXIT_FAILED
from proxy.cli.operating import Proxy, ProxyError, ProxyUrl, proxy_of, read_object
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.printing import percent, print_json_line, screen, table_of
from proxy.cli.watching import Seconds, Show, from_now_on, until_stopped
from proxy.core.printable import printable

if TYPE_CHECKING:
    from rich.console import Group

Json = dict[str, Any]

RATES_S: Final = 60
"""What rates are of: the last so many seconds, in whole steps of the history."""

EVENTS: Final = 5
"""Shown below the requests, the newest last."""

QUIET_S: Final = 40.0
"""The stream says every 15 seconds that it lives: after so much silence it does not."""

AGAIN_S: Final = 1.0
"""Before a stream that broke off is asked for again."""

OPENED: Final = "opened"
"""No event of the proxy's: from now on nothing is missed."""

WIDE: Final = 120
"""Columns of a terminal that has room for all of a request."""

ONLY_WIDE: Final = ("similarity", "api", "namespace")
"""What a narrower one leaves out, so that the rest can be read."""

Rows = Annotated[int, typer.Option("--rows", min=1, max=1000, help="The newest so many requests.")]
Once = Annotated[bool, typer.Option("--once", help="Show what there is, and end.")]


@dataclass(slots=True)
class Seen:
    """What is known so far.

    Attributes:
        requests: The newest first, by id.
        events: The newest last.
        history: Points of the last minutes.
    """

    rows: int
    requests: dict[str, Json] = field(default_factory=dict)
    events: deque[Json] = field(default_factory=lambda: deque(maxlen=EVENTS))
    history: Json = field(default_factory=dict)

    def add(self, requests: Sequence[Json]) -> None:
        """More requests, of which some may be known."""
        known = {**self.requests, **{one["id"]: one for one in requests}}
        newest = sorted(known.values(), key=lambda one: one["at"], reverse=True)[: self.rows]
        self.requests = {one["id"]: one for one in newest}


def top(
    config: ConfigFile = None,
    *,
    rows: Rows = 20,
    every: Seconds = 1.0,
    once: Once = False,
    url: ProxyUrl = None,
    json: AsJson = False,
) -> None:
    """Show a running proxy's requests as they are answered, and the rates of the last minute.

    It goes on until Ctrl-C. With `--json` it prints every request and event as it happens, one a
    line; with `--once` what there is, and ends. It needs `admin.token`, in the configuration or as
    ADMIN_TOKEN.
    """
    proxy = proxy_of(load_or_exit(config), url)
    seen = Seen(rows)

    async def show_all(show: Show) -> None:
        if json and not once:
            await _print_all(proxy)
        elif once:
            await _look(proxy, seen)
            show(_view(proxy, seen)) if not json else print_json_line(_told(seen))
        else:
            await _follow(proxy, seen, every, show)

    until_stopped(show_all, in_place=not (once or json))


async def _print_all(proxy: Proxy) -> None:
    async with aclosing(_happenings(proxy)) as happenings:
        async for name, data in happenings:
            if name != OPENED:
                print_json_line({"event": name, "data": data})


def _told(seen: Seen) -> Json:
    return {
        "object": "cache.top",
        "requests": list(seen.requests.values()),
        "rates": _rates(seen.history),
    }


async def _follow(proxy: Proxy, seen: Seen, every_s: float, show: Show) -> None:
    async def look() -> None:
        seen.history = await _asked(proxy, "history", {"minutes": "2"})
        show(_view(proxy, seen))

    await _look(proxy, seen)
    show(_view(proxy, seen))
    async with asyncio.TaskGroup() as group:
        group.create_task(_listen(proxy, seen))
        group.create_task(from_now_on(look, every_s))


async def _look(proxy: Proxy, seen: Seen) -> None:
    seen.add((await _asked(proxy, "requests", {"limit": str(seen.rows)}))["data"])
    seen.history = await _asked(proxy, "history", {"minutes": "2"})


async def _asked(proxy: Proxy, path: str, query: dict[str, str]) -> Json:
    """What it answers; a proxy that knows no such path is told apart from one without entries."""
    try:
        return await proxy.ask("GET", path, query=query)
    except ProxyError as error:
        if error.status == HTTPStatus.NOT_FOUND and error.code == EXIT_FAILED:
            raise ProxyError(
                f"{proxy.root} is of an older version, which has no {path}."
            ) from error
        raise


async def _listen(proxy: Proxy, seen: Seen) -> None:
    """Hear what happens, for ever; what was missed while nobody listened is looked up."""
    while True:
        with suppress(ProxyError):  # said by the look that shows it
            async with aclosing(_happenings(proxy)) as happenings:
                async for name, data in happenings:
                    if name == "request":
                        seen.add([data])
                    elif name == "event":
                        seen.events.append(data)
                    else:  # something was missed, or may have been
                        await _look(proxy, seen)
        await asyncio.sleep(AGAIN_S)


async def _happenings(proxy: Proxy) -> AsyncGenerator[tuple[str, Json]]:
    """Name and data of each, as it happens, until the proxy stops; `OPENED` before the first.

    Raises:
        ProxyError: It cannot be had, or breaks off.
    """
    import aiohttp  # noqa: PLC0415 - slow to import

    from proxy.core.sse import Parser  # noqa: PLC0415 - only here

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=QUIET_S, sock_read=QUIET_S)
    async with proxy.opened("GET", "events", timeout=timeout) as got:
        if got.status != HTTPStatus.OK:
            raise proxy.refusal(got.status, read_object(await got.read()))
        parser, is_open = Parser(), False
        async for piece in got.content.iter_any():
            if not is_open:  # it begins to say where it stands, and from then on it listens
                is_open = True
                yield OPENED, {}
            for event in parser.feed(piece):
                yield event.name, read_object(event.data)


def _rates(history: Json) -> Json:
    """The last minute in whole steps: the one under way would look like a lull."""
    step_s = history["step_s"]
    points = history["points"][-1 - RATES_S // step_s : -1]
    requests = sum(sum(point["requests"].values()) for point in points)
    looked_up = requests - sum(point["requests"].get("BYPASS", 0) for point in points)
    hits = sum(sum(point["tiers"].values()) for point in points)
    return {
        "seconds": len(points) * step_s,
        "requests_per_s": requests / max(1, len(points) * step_s),
        "hit_ratio": hits / looked_up if looked_up else None,
        "errors": sum(point["errors"] for point in points),
        "tokens_saved": sum(point["tokens_saved"] for point in points),
        "saved_usd": sum(point["saved_usd"] for point in points),
    }


def _view(proxy: Proxy, seen: Seen) -> "Group":
    from rich.console import Group  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415 - slow to import

    rates = _rates(seen.history)
    head = (
        f"{proxy.root}  last {rates['seconds']} s: {rates['requests_per_s']:.1f} requests/s, "
        f"{percent(rates['hit_ratio'])} from the cache, {rates['errors']} errors, "
        f"{rates['tokens_saved']} tokens and {rates['saved_usd']:.4f} USD saved"
    )
    events = [printable(_happened(one)) for one in seen.events]
    told = list(seen.requests.values())
    columns = _columns(told, screen().width)
    rows = [tuple(_CELLS[name](one) for name in columns) for one in told]
    table = table_of(columns, rows, is_text=True)
    return Group(Text(head), table, *map(Text, events))


def _columns(told: Sequence[Json], width: int) -> list[str]:
    """What is shown of these requests on a terminal of that width."""
    left_out = () if width >= WIDE else ONLY_WIDE
    has_questions = any("question" in one for one in told)
    return [
        name for name in _CELLS if name not in left_out and (name != "question" or has_questions)
    ]


def _happened(one: Json) -> str:
    said = {name: value for name, value in one.items() if name not in {"at", "name"}}
    about = " ".join(f"{name}={value}" for name, value in said.items())
    return f"{_clock(one['at'])} {one['name']} {about}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


_CELLS: Final[dict[str, Callable[[Json], str]]] = {
    "time": lambda one: _clock(one["at"]),
    "result": lambda one: str(one["result"]),
    "tier": lambda one: one["tier"] or "-",
    "ms": lambda one: _number(one["duration_ms"], 1),
    "similarity": lambda one: _number(one["similarity"], 3),
    "status": lambda one: str(one["status"]),
    "api": lambda one: str(one["api"]),
    "model": lambda one: one["model"] or "-",
    "namespace": lambda one: one["namespace"] or "-",
    "why": lambda one: one["reason"] or "",
    "question": lambda one: str(one.get("question", "")),
}
"""A request's columns."""
