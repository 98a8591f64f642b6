"""`reprise replicas`: which processes there are over a running proxy's shared tier."""

import time
from typing import Any

import typer

from proxy.cli.operating import ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.printing import duration, print_json, print_table

Json = dict[str, Any]

HEAD = ("id", "where", "pid", "url", "version", "up for", "behind by", "entries", "trouble")


def replicas(config: ConfigFile = None, *, url: ProxyUrl = None, json: AsJson = False) -> None:
    """List the processes that share a running proxy's entries, and how each of them is.

    One that is killed is listed until it has been silent for three times
    `cache.shared.announce_every_s`. It needs `admin.token`, in the configuration or as ADMIN_TOKEN.
    """
    told = proxy_of(load_or_exit(config), url).call("GET", "replicas")
    if json:
        print_json(told)
        return
    found: list[Json] = told["data"]
    now = time.time()
    print_table(HEAD, [_row(one, now) for one in found], is_text=True)
    if len({one["config_digest"] for one in found}) > 1:
        typer.echo("Their configurations differ: compare `GET /admin/v1/config` of each.")


def _row(one: Json, now: float) -> tuple[str, ...]:
    worker = "" if one["worker"] is None else f", worker {one['worker']}"
    troubles = [f"{part}: {why}" for part, why in one["parts"].items() if why != "ok"]
    return (
        one["id"],
        f"{one['host']}{worker}{' (asked)' if one['is_self'] else ''}",
        str(one["pid"]),
        one["url"] or "-",
        one["version"],
        duration(max(0.0, now - one["started_at"])),
        "-" if one["position_lag"] is None else str(one["position_lag"]),
        ", ".join(f"{tier} {count}" for tier, count in one["entries"].items()),
        "; ".join(troubles) or "none",
    )
