"""The real program, as an operator starts it."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.http.processes import Running, program
from proxy.config.loading import OVERRIDES
from tests.support.program import Json, merged
from tests.support.servers import free_port

ROOT = Path(__file__).parents[2]

EXACT: Json = {"embedder": {"kind": "none"}}
"""Exact tiers only."""

NO_SESSION: Json = {"cache": {"session": {"enabled": False}}}


def config(origin_url: str, directory: Path, *over: Mapping[str, object]) -> Json:
    """What is shipped, with files in the directory and warnings alone in the log.

    Args:
        origin_url: Base of the origin's API, with its version.
        directory: For its files.
        over: What differs; later ones hold.
    """
    base: Json = {
        "server": {"drain_s": 1},
        "upstream": {"base_url": origin_url},
        "cache": {
            "shared": {"url": f"sqlite:///{directory}/reprise.db"},
            "vector": {"snapshot": f"{directory}/index.snapshot"},
            "judgement": {"labels": f"{directory}/labels.db"},
        },
        "telemetry": {"log_format": "json", "log_level": "warning", "count_tokens": False},
    }
    for one in over:
        base = merged(base, one)
    return base


@contextmanager
def reprise(
    origin_url: str,
    directory: Path,
    *over: Mapping[str, object],
    ready: str = "/readyz",
    root: Path = ROOT,
) -> Iterator[Running]:
    """`reprise serve` of the working tree at `root`, ready."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    file = directory / "config.yaml"
    file.write_text(json.dumps(config(origin_url, directory, *over)))  # JSON is YAML too
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(file)]
    for name in OVERRIDES:
        os.environ.pop(name, None)  # they would win over the file
    environ = {"PORT": str(port), "PYTHONPATH": str(root)}
    with program(command, port, directory, ready=ready, environ=environ) as running:
        yield running
