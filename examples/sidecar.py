"""A program with a proxy of its own beside it, as a pod with a sidecar, without Kubernetes.

    python examples/sidecar.py python your_application.py

The proxy listens on a free port of this machine alone, where `OPENAI_BASE_URL` then points; it asks
what that variable said before, or OpenAI. It is there before the program starts, and ends after it.
In Kubernetes: docs/sidecar.md.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PATIENCE_S = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def wait(url: str, proxy: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while proxy.poll() is None and time.monotonic() < deadline:
        try:
            urlopen(url, timeout=1).close()  # noqa: S310 - of this machine
        except (URLError, OSError):
            time.sleep(0.05)
        else:
            return
    sys.exit("the proxy did not start")


def main(program: list[str]) -> int:
    port = free_port()
    beside = {**os.environ, "HOST": "127.0.0.1", "PORT": str(port)}
    command = [str(Path(sys.executable).with_name("reprise")), "serve"]
    with subprocess.Popen(command, env=beside) as proxy:
        try:
            wait(f"http://127.0.0.1:{port}/healthz", proxy)
            theirs = {**os.environ, "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
            return subprocess.run(program, env=theirs, check=False).returncode
        finally:
            proxy.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
