"""Starting the bare aiohttp handler."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.http.processes import Running, program
from bench.http.reprise import ROOT
from tests.support.servers import free_port


@contextmanager
def bared(origin_url: str, directory: Path) -> Iterator[Running]:
    """`bench.http.bare`, a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "bench.http.bare", str(port), origin_url]
    environ = {"PYTHONPATH": str(ROOT)}
    with program(command, port, directory, ready="/alive", environ=environ) as running:
        yield running
