"""`reprise stats`: what a running proxy has done, and how its parts are."""

from typing import Any

import typer

from proxy.cli.operating import ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.printing import percent, print_json, print_table

Json = dict[str, Any]


def stats(config: ConfigFile = None, *, url: ProxyUrl = None, json: AsJson = False) -> None:
    """Say what a running proxy has done since its start: all its workers together.

    It needs `admin.token`, in the configuration or as ADMIN_TOKEN. Exit code 1: the proxy cannot be
    reached; 2: it does not take the token.
    """
    told = proxy_of(load_or_exit(config), url).call("GET", "stats")
    if json:
        print_json(told)
        return
    print_table(("since the start", ""), _rows(told))
    troubles = {name: why for name, why in told["parts"].items() if why != "ok"}
    for name, why in troubles.items():
        typer.echo(f"{name}: {why}")
    if not troubles:
        typer.echo("All parts of the cache are well.")


def _rows(told: Json) -> list[tuple[str, str]]:
    requests, tokens, backlog = told["requests"], told["tokens"], told["backlog"]
    rows = [
        ("version", str(told["version"])),
        ("up for", _duration(told["uptime_s"])),
        ("workers", str(told["workers"] or 1)),
        ("requests", str(requests["total"])),
        ("answered from the cache", percent(requests["hit_ratio"])),
        *((f"  {name}", str(count)) for name, count in requests["by_result"].items()),
        *((f"  by the {name} tier", str(count)) for name, count in requests["by_tier"].items()),
        ("tokens saved", str(tokens["saved"])),
        ("tokens from the origin", str(tokens["from_origin"])),
        ("USD saved", f"{told['saved_usd']:.6f}"),
    ]
    for name, count in told["entries"].items():
        rows.append((f"entries in the {name} tier", "-" if count is None else str(count)))
    return [*rows, ("waiting for the shared tier", str(backlog["entries"]))]


def _duration(seconds: float | None) -> str:
    """`3 d 4 h`, or the two largest units of whatever it is."""
    if seconds is None:
        return "-"
    left = int(seconds)
    parts: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):  # noqa: PLR2004 - two units
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
