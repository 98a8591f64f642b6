"""From nothing to where every part is well, models loaded."""

import json
import re
import sys
import time
from pathlib import Path

from bench.http.reprise import config, reprise
from bench.http.starting import is_well
from bench.profiles.account import Account, account
from bench.profiles.paths import Site
from bench.profiles.sampling import sampled, times
from tests.support.servers import free_port

NAME = "start, as shipped"

ALL = 0
"""In place of a thread's number."""

SECONDS = 5
"""Of samples; a start takes one or two, and then nothing runs."""


def started(site: Site, tool: Path) -> Account:
    """Microseconds of one start."""
    with reprise(site.api, site.directory / "first", root=site.root) as running:
        while not is_well(f"{running.url}/readyz"):
            time.sleep(0.002)
        spent = times(running.pid).values()
        cpu, kernel = (1e6 * sum(one) for one in zip(*spent, strict=True))
    file = site.directory / "config.yaml"
    file.write_text(json.dumps(config(site.api, site.directory)))
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(file)]
    environ = {"PORT": str(free_port()), "PYTHONPATH": str(site.root)}
    with sampled(["--", *command], SECONDS, tool, environ) as raw:
        return account(_as_one(raw()), {ALL: cpu}, kernel)


def _as_one(raw: str) -> str:
    """Its threads under one number: another run's threads have others."""
    return re.sub(r"(?m)^thread \(\d+\)", f"thread ({ALL})", raw)
