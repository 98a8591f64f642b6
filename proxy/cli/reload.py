"""`reprise reload`: have a running proxy read its configuration anew."""

from typing import Any

import typer

from proxy.cli.exits import EXIT_FAILED
from proxy.cli.operating import ProxyUrl, proxy_of
from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.printing import print_json

Json = dict[str, Any]


def reload(config: ConfigFile = None, *, url: ProxyUrl = None, json: AsJson = False) -> None:
    """Have a running proxy read its configuration anew, and follow it without a restart.

    The file is the proxy's own, whatever `--config` names: that says where the proxy listens. It
    needs `admin.token`, in the configuration or as ADMIN_TOKEN. Exit code 1: the proxy cannot be
    reached, or a worker did not answer; 2: the configuration cannot be used and nothing has
    changed, or the token is wrong.
    """
    done = proxy_of(load_or_exit(config), url).call("POST", "config/reload")
    if json:
        print_json(done)
    else:
        for line in _lines(done):
            typer.echo(line)
    if done["unreached_workers"]:
        typer.echo(
            f"{done['unreached_workers']} worker(s) did not answer, and may follow the old one: "
            "try again.",
            err=True,
        )
        raise typer.Exit(EXIT_FAILED)


def _lines(done: Json) -> list[str]:
    changed = [f"changed: {key}" for key in done["changed"]]
    left = [f"needs a restart: {key}" for key in done["needs_restart"]]
    return [*(changed or ["Nothing has changed."]), *left]
