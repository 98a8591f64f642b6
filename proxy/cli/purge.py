"""`reprise purge`: have a running proxy forget entries, everywhere and for good."""

import re
import sys
import time
from typing import Annotated, Any

import typer

from proxy.cli.entries import ModelName, NamespaceName, PrincipalName, TenantName
from proxy.cli.exits import EXIT_FAILED
from proxy.cli.operating import Proxy, ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit, misused
from proxy.cli.printing import print_json

Json = dict[str, Any]

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
"""Seconds of each unit an age may be given in."""

_AGE = re.compile(r"(\d{1,9})([smhdw]?)")

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Any of these, by `x-cache-entry`.")
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Those that carry it. May be given again."),
]
ScopeId = Annotated[str | None, typer.Option("--scope", metavar="ID", help="Of this scope.")]
Age = Annotated[
    str | None,
    typer.Option(
        "--older-than", metavar="AGE", help="Stored longer ago: 90 (seconds), 15m, 12h, 7d, 2w."
    ),
]
Like = Annotated[
    str | None,
    typer.Option("--like", metavar="TEXT", help="Whose question is indexed and like this text."),
]
AtLeast = Annotated[
    float | None,
    typer.Option(
        "--at-least", metavar="COSINE", help="How alike, with --like: 0.5 to 1, such as 0.95."
    ),
]
Everything = Annotated[
    bool, typer.Option("--everything", help="All entries, or all of the tenant.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many it would be.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]


def purge(  # noqa: PLR0913 - each is an option
    ids: Ids = None,
    config: ConfigFile = None,
    *,
    tag: Tags = None,
    scope: ScopeId = None,
    model: ModelName = None,
    namespace: NamespaceName = None,
    tenant: TenantName = None,
    principal: PrincipalName = None,
    older_than: Age = None,
    like: Like = None,
    at_least: AtLeast = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    url: ProxyUrl = None,
    json: AsJson = False,
) -> None:
    """Have a running proxy forget entries: in every tier and every replica, for good.

    All that is given must hold: `--tag faq --older-than 7d` are the entries that carry the tag and
    are older than a week. It needs `admin.token`, in the configuration or as ADMIN_TOKEN. Exit code
    1: the proxy cannot be reached, a worker did not answer, or you said no; 2: an option or the
    token is wrong.
    """
    asked = {
        "ids": ids,
        "tags": tag,
        "scope": scope,
        "model": model,
        "namespace": namespace,
        "tenant": tenant,
        "principal": principal,
        "older_than": None if older_than is None else time.time() - age(older_than),
        "like": like,
        "at_least": at_least,
        "everything": everything or None,
    }
    selector: Json = {name: value for name, value in asked.items() if value not in (None, [])}
    if not selector:
        misused("Say what to forget: ids, --tag, --model, ... or --everything.")
    if (like is None) != (at_least is None):
        misused("--like and --at-least go together.")
    proxy = proxy_of(load_or_exit(config), url)
    if not dry_run and not yes:
        _ask_first(proxy, selector)
    done = proxy.call("POST", "invalidate", body={**selector, "dry_run": dry_run})
    _report(done, tenant, json=json)


def _report(done: Json, tenant: str | None, *, json: bool) -> None:
    if json:
        print_json(done)
    else:
        typer.echo(_said(done, tenant))
    if done["unreached_workers"]:
        typer.echo(
            f"{done['unreached_workers']} worker(s) did not answer, and may have private answers "
            "yet: try again.",
            err=True,
        )
        raise typer.Exit(EXIT_FAILED)


def _said(done: Json, tenant: str | None) -> str:
    if done["count"] is None:
        of_whom = "" if tenant is None else f" of {tenant}"
        return f"The whole namespace{of_whom} is forgotten."
    return f"{_entries(done['count'])} {'would be forgotten' if done['dry_run'] else 'forgotten'}."


def age(text: str) -> float:
    """Seconds; ends the command where it is no age."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        misused(f"--older-than {text}: is not an age such as 90, 15m, 12h, 7d or 2w")
    return int(found[1]) * UNITS[found[2]]


def _ask_first(proxy: Proxy, selector: Json) -> None:
    if not sys.stdin.isatty():
        misused("Nobody can be asked here: say --yes, or --dry-run.")
    counted = proxy.call("POST", "invalidate", body={**selector, "dry_run": True})["count"]
    typer.confirm(f"Forget {_entries(counted)} at {proxy.root}?", abort=True, err=True)


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"
