"""Writes docs/cli.md: what typer says of every command, and what holds for all of them."""

from pathlib import Path

import typer
from typer.cli import get_docs_for_click

from proxy.cli import main
from proxy.cli.exits import MEANINGS

FILE = Path(__file__).parents[2] / "docs" / "cli.md"

HEAD = """# Commands

| wish | command |
|---|---|
| run the proxy | `reprise serve` |
| is the configuration usable, and what holds? | `reprise check` |
| is the proxy here alive? (for health checks) | `reprise probe` |
| a key for a caller | `reprise key` |
| have a running proxy read its configuration again | `reprise reload` |
| what has the cache done, and how are its parts? | `reprise stats`, `reprise stats --watch` |
| which requests come in now? | `reprise top` |
| which processes share the entries? | `reprise replicas` |
| what is cached? | `reprise entries` |
| have it forgotten | `reprise purge` |
| take entries elsewhere, or fill an empty cache | `reprise export`, `import`, `warm` |
| why did it hit, or miss? | `reprise explain` |
| how often is it wrong? | `reprise eval`, `reprise simulate` |
| better thresholds | `reprise calibrate`, `reprise tune` |
| the index elsewhere | `reprise index` |

Commands that ask a running proxy find it by `--url`, the variable `REPRISE_URL`, or the
configuration's own `server.host` and `server.port`; they need its `admin.token`, in the
configuration or as `ADMIN_TOKEN` ([admin.md](admin.md)).

## For programs

`--json` prints what a program can read, and nothing else, to stdout; problems go to stderr. What is
watched (`stats --watch --json`, `top --json`) is one JSON object a line.

| exit code | meaning |
|---|---|
{exits}

## Completion

`reprise --install-completion` teaches your shell (bash, zsh, fish, PowerShell) to complete commands
and options; it writes to the shell's own start-up files, and needs no network.
`reprise --show-completion` prints the same. For a shell that is not the one you are in, a variable
says which:

```sh
_REPRISE_COMPLETE=source_zsh reprise > ~/.zfunc/_reprise
```

This page is written by `python -m tests.docs.reference`: what follows is what `--help` says.
"""


def page() -> str:
    """The whole page."""
    exits = "\n".join(f"| {code} | {meaning} |" for code, meaning in MEANINGS.items())
    program = typer.main.get_command(main)
    told = get_docs_for_click(obj=program, ctx=typer.Context(program), name="reprise")
    commands = told[told.index("\n## ") :]
    return HEAD.replace("{exits}", exits) + commands.rstrip() + "\n"
