"""The commands, one file each; `main` is the program.

To add one: write `proxy/cli/NAME.py` with a function whose parameters are its options, and name it
below. `reprise --help` imports every one of these files, so what is slow to import (numpy, FAISS,
aiohttp) is imported inside the function.
"""

import typer

from proxy.cli.calibrate import calibrate
from proxy.cli.check import check
from proxy.cli.entries import entries
from proxy.cli.evaluate import evaluate
from proxy.cli.explain import explain
from proxy.cli.export import export
from proxy.cli.importing import import_entries
from proxy.cli.index import index
from proxy.cli.key import key
from proxy.cli.probe import probe
from proxy.cli.purge import purge
from proxy.cli.reload import reload
from proxy.cli.replicas import replicas
from proxy.cli.serve import serve
from proxy.cli.simulate import simulate
from proxy.cli.stats import stats
from proxy.cli.top import top
from proxy.cli.tune import tune
from proxy.cli.version import version
from proxy.cli.warm import warm

main = typer.Typer(
    name="reprise",
    help="An OpenAI-compatible reverse proxy that answers from a semantic cache.",
    no_args_is_help=True,
    # A traceback with local variables would print prompts and keys.
    pretty_exceptions_enable=False,
)

main.command("serve")(serve)
main.command("check")(check)
main.add_typer(evaluate, name="eval")
main.command("calibrate")(calibrate)
main.command("explain")(explain)
main.command("simulate")(simulate)
main.command("tune")(tune)
main.add_typer(index, name="index")
main.command("key")(key)
main.command("probe")(probe)
main.command("stats")(stats)
main.command("entries")(entries)
main.command("purge")(purge)
main.command("export")(export)
main.command("import")(import_entries)
main.command("warm")(warm)
main.command("reload")(reload)
main.command("replicas")(replicas)
main.command("top")(top)
main.command("version")(version)
