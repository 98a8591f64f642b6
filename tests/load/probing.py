"""How late the program is: `python -m tests.load.probing PORT` asks `/healthz` until SIGTERM.

It is a process of its own, so that nobody's load but the program's makes it wait, and says as JSON
what each question took; beside it by how much each of its own pauses was too long, which is what
the machine itself is late.
"""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

PAUSE_S: Final = 0.02
_ASKED: Final = b"GET /healthz HTTP/1.1\r\nhost: probe\r\n\r\n"


@dataclass(slots=True)
class Probed:
    """Milliseconds that each probe took, and by which each pause was too long."""

    program_ms: list[float] = field(default_factory=list)
    machine_ms: list[float] = field(default_factory=list)


def main(port: int) -> None:
    """Probe until SIGTERM, then tell."""
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: over.append(number))
    probed = Probed()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not over:
            began = time.perf_counter()
            connection.sendall(_ASKED)
            while not connection.recv(1 << 16).endswith(b"}") and not over:
                pass
            asked = time.perf_counter()
            time.sleep(PAUSE_S)
            probed.program_ms.append(1000 * (asked - began))
            probed.machine_ms.append(1000 * (time.perf_counter() - asked - PAUSE_S))
    json.dump([probed.program_ms, probed.machine_ms], sys.stdout)


@contextmanager
def probing(port: int) -> Iterator[Probed]:
    """Probe inside the block; what came of it is known after it."""
    command = [sys.executable, "-m", "tests.load.probing", str(port)]
    probed = Probed()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield probed
        finally:
            child.send_signal(signal.SIGTERM)
            told, _ = child.communicate(timeout=60)
            if child.returncode == 0:
                probed.program_ms, probed.machine_ms = json.loads(told)


if __name__ == "__main__":
    main(int(sys.argv[1]))
