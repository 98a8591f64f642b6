"""`reprise stats`: what a running proxy has done, and how its parts are."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli.operating import Proxy, ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.printing import (
    duration,
    percent,
    print_json,
    print_json_line,
    screen,
    table_of,
)
from proxy.cli.watching import Seconds, Show, again_and_again, until_stopped

if TYPE_CHECKING:
    from rich.console import Group

Json = dict[str, Any]

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until Ctrl-C.")]


def stats(
    config: ConfigFile = None,
    *,
    watch: Watch = False,
    every: Seconds = 2.0,
    url: ProxyUrl = None,
    json: AsJson = False,
) -> None:
    """Say what a running proxy has done since its start: all its workers together.

    With `--watch` it goes on until Ctrl-C, and with `--json` too it prints a line each time. It
    needs `admin.token`, in the configuration or as ADMIN_TOKEN.
    """
    proxy = proxy_of(load_or_exit(config), url)
    if watch:
        until_stopped(lambda show: _watch(proxy, every, None if json else show))
        return
    told = proxy.call("GET", "stats")
    if json:
        print_json(told)
    else:
        screen().print(_view(told), markup=False)


async def _watch(proxy: Proxy, every_s: float, show: Show | None) -> None:
    async def look() -> None:
        told = await proxy.ask("GET", "stats")
        if show is None:
            print_json_line(told)
        else:
            show(_view(told))

    await again_and_again(look, every_s)


def _view(told: Json) -> "Group":
    from rich.console import Group  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415 - slow to import

    troubles = [f"{name}: {why}" for name, why in told["parts"].items() if why != "ok"]
    lines = troubles or ["All parts of the cache are well."]
    return Group(table_of(("since the start", ""), _rows(told)), *map(Text, lines))


def _rows(told: Json) -> list[tuple[str, str]]:
    requests, tokens, backlog = told["requests"], told["tokens"], told["backlog"]
    cost = told["cost"]
    rows = [
        ("version", str(told["version"])),
        ("up for", duration(told["uptime_s"])),
        ("workers", str(told["workers"] or 1)),
        ("requests", str(requests["total"])),
        ("answered from the cache", percent(requests["hit_ratio"])),
        *((f"  {name}", str(count)) for name, count in requests["by_result"].items()),
        *((f"  by the {name} tier", str(count)) for name, count in requests["by_tier"].items()),
        ("tokens saved", str(tokens["saved"])),
        ("tokens from the origin", str(tokens["from_origin"])),
        ("USD saved", f"{cost['saved_usd']:.6f}"),
        *((f"  spent by: {name}", f"{usd:.6f}") for name, usd in cost["spent_usd"].items() if usd),
        ("USD saved, net", f"{cost['net_usd']:.6f}"),
    ]
    for name, count in told["entries"].items():
        rows.append((f"entries in the {name} tier", "-" if count is None else str(count)))
    rows += [_wrong_hits(one) for one in told["wrong_hits"]]
    if (moving := told["reembedding"]) is not None:
        rows.append(("embedded anew", f"{moving['done']}, {moving['left']} to go"))
    return [*rows, ("waiting for the shared tier", str(backlog["entries"]))]


def _wrong_hits(one: Json) -> tuple[str, str]:
    """The live estimate for a namespace, and between what the true share lies."""
    name = f"wrong hits in namespace {one['namespace'] or '(default)'}"
    if one["rate"] is None:
        return name, "-"
    between = f"{percent(one['low'])} to {percent(one['high'])}"
    return name, f"{percent(one['rate'])} ({between}, of {one['audited']} audited)"
