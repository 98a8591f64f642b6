"""`reprise entries`: what a running proxy's shared tier holds."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from proxy.cli.operating import Proxy, ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit, misused
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
PrincipalName = Annotated[
    str | None,
    typer.Option("--principal", metavar="DIGEST", help="Made by this caller's credential."),
]
Text = Annotated[
    str | None,
    typer.Option("--text", metavar="TEXT", help="Those with this in their question, if shown."),
]
Like = Annotated[
    str | None,
    typer.Option("--like", metavar="TEXT", help="Those whose question is like this one."),
]
AtLeast = Annotated[
    float | None,
    typer.Option("--at-least", min=0.5, max=1, help="How like: the least cosine; 0.9 without it."),
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="The most entries.")]


def entries(  # noqa: PLR0913 - a parameter an option
    entry: EntryId = None,
    config: ConfigFile = None,
    *,
    tenant: TenantName = None,
    model: ModelName = None,
    namespace: NamespaceName = None,
    tag: TagName = None,
    principal: PrincipalName = None,
    text: Text = None,
    like: Like = None,
    at_least: AtLeast = None,
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
        _show(proxy.call("GET", f"entries/{quote(entry, safe='')}"), json=json)
        return
    if like is not None and limit >= PAGE:
        misused(f"--limit {limit}: with --like it is at most {PAGE - 1}.")
    asked: dict[str, str | float | None] = {
        "tenant": tenant,
        "model": model,
        "namespace": namespace,
        "tag": tag,
        "principal": principal,
        "text": text,
        "like": like,
        "at_least": at_least,
    }
    narrowed = {name: str(value) for name, value in asked.items() if value is not None}
    listed, has_more = _listed(proxy, narrowed, limit)
    if json:
        print_json({"object": "list", "data": listed, "has_more": has_more})
        return
    _print(listed)
    if has_more:
        typer.echo(f"There are more than {limit}: say --limit, or narrow it.")


def _show(found: Json, *, json: bool) -> None:
    """All about one entry."""
    if json:
        print_json(found)
        return
    rows = [(name, str(value)) for name, value in found.items()]
    print_table(("field", "value"), rows, is_text=True)


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
    more = [name for name in ("similarity", "question") if any(name in one for one in listed)]
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
            *(_SHOWN[name](one) for name in more),
        )
        for one in listed
    ]
    print_table((*head, *more), rows, is_text=True)


def _span(seconds: float) -> str:
    """In the unit that fits: `12 min`. One that is over is below 0."""
    for name, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def _short(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


_SHOWN: Final[dict[str, Callable[[Json], str]]] = {
    "similarity": lambda one: f"{one['similarity']:.4f}",
    "question": lambda one: _short(one.get("question", "")),
}
"""Columns that only some lists have."""
