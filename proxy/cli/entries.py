"""`reprise entries`: what a running proxy's shared tier holds."""

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from proxy.cli.operating import Proxy, ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.printing import print_json, print_table

Json = dict[str, Any]

PAGE = 200
"""Entries asked for at once."""

EntryId = Annotated[str | None, typer.Argument(metavar="ID", help="One entry, by `x-cache-entry`.")]
TenantName = Annotated[
    str | None, typer.Option("--tenant", metavar="DIGEST", help="Of this tenant.")
]
ModelName = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Asked of this model.")
]
NamespaceName = Annotated[
    str | None,
    typer.Option("--namespace", metavar="NAME", help='Of this namespace; "" is the default one.'),
]
TagName = Annotated[
    str | None, typer.Option("--tag", metavar="TAG", help="Those that carry this tag.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="The most entries.")]


def entries(
    entry: EntryId = None,
    config: ConfigFile = None,
    *,
    tenant: TenantName = None,
    model: ModelName = None,
    namespace: NamespaceName = None,
    tag: TagName = None,
    limit: Limit = 50,
    url: ProxyUrl = None,
    json: AsJson = False,
) -> None:
    """List what a running proxy's shared tier holds, or say all about one entry.

    All options that are given must hold. It needs `admin.token`, in the configuration or as
    ADMIN_TOKEN. Exit code 1: there is no such entry, or the proxy cannot be reached; 2: an option
    or the token is wrong.
    """
    proxy = proxy_of(load_or_exit(config), url)
    if entry is not None:
        found = proxy.call("GET", f"entries/{quote(entry, safe='')}")
        if json:
            print_json(found)
        else:
            print_table(
                ("field", "value"),
                [(name, str(value)) for name, value in found.items()],
                is_text=True,
            )
        return
    asked = {"tenant": tenant, "model": model, "namespace": namespace, "tag": tag}
    listed, has_more = _listed(proxy, {k: v for k, v in asked.items() if v is not None}, limit)
    if json:
        print_json({"object": "list", "data": listed, "has_more": has_more})
        return
    _print(listed)
    if has_more:
        typer.echo(f"There are more than {limit}: say --limit, or narrow it.")


def _listed(proxy: Proxy, asked: dict[str, str], limit: int) -> tuple[list[Json], bool]:
    """Up to so many entries, and whether there are more."""
    listed: list[Json] = []
    cursor: str | None = None
    while True:
        # One more than is wanted says whether there are more.
        most = min(PAGE, limit + 1 - len(listed))
        more = {} if cursor is None else {"cursor": cursor}
        page = proxy.call("GET", "entries", query={**asked, **more, "limit": str(most)})
        listed += page["data"]
        cursor = page["next_cursor"]
        if cursor is None or len(listed) > limit:
            return listed[:limit], len(listed) > limit


def _print(listed: list[Json]) -> None:
    now = time.time()
    has_questions = any("question" in one for one in listed)
    head = ("id", "model", "namespace", "tags", "age", "fresh for", "bytes")
    rows = [
        (
            one["id"],
            one["model"],
            one["namespace"],
            ",".join(one["tags"]),
            _span(now - one["created_at"]),
            "ever" if one["expires_at"] is None else _span(one["expires_at"] - now),
            str(one["size"]),
            *([_short(one.get("question", ""))] if has_questions else []),
        )
        for one in listed
    ]
    print_table((*head, "question") if has_questions else head, rows, is_text=True)


def _span(seconds: float) -> str:
    """In the unit that fits: `12 min`. One that is over is below 0."""
    for name, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def _short(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
