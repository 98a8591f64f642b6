"""The sockets a server listens on."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

BACKLOG = 1024
"""Connections the kernel may hold until they are accepted; `net.core.somaxconn` may allow less."""


class UnshareableError(OSError):
    """This system cannot have several processes listen on one port."""


def bound(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """A socket for each of the host's addresses, all of one port, not listening yet.

    Args:
        host: A name or an address; "" for every interface.
        port: 0 takes any free one.
        shared: Other sockets of this user may be bound there too, if they say the same. The kernel
            spreads connections over those that listen (Linux: `SO_REUSEPORT`, socket(7)).

    Raises:
        OSError: There is no such host, or the port is taken.
        UnshareableError: `shared` is not to be had.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host, port):
            found = _opened(family)
            if found is None:
                continue
            sockets.append(found)
            if shared:
                _share(found)
            known = sockets[0].getsockname()[1] if len(sockets) > 1 else port
            found.bind((address[0], known, *address[2:]))
    except BaseException:
        close(sockets)
        raise
    if not sockets:
        raise OSError(f"{host} has no address that can be used here")
    return sockets


def is_free(host: str, port: int) -> None:
    """Raise OSError when anybody listens there, also with somebody who would share the port."""
    close(bound(host, port))


def can_meet(directory: Path) -> None:
    """Raise OSError where no Unix socket can be: the path is too long, or the file system's no."""
    place = directory / "256.socket"
    with socket.socket(socket.AF_UNIX) as probe:
        probe.bind(str(place))
    place.unlink()


def descriptors() -> int | None:
    """Let this process have as many open as it may; how many that are, or None: no limit is known.

    A shell's limit is often 1,024, for programs that use select(2), which this one does not.
    """
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - there is none on Windows

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def close(sockets: list[socket.socket]) -> None:
    """Close them all."""
    for one in sockets:
        one.close()


def url(host: str, port: int, *, is_secure: bool = False) -> str:
    """The API's base URL there."""
    shown = f"[{host}]" if ":" in host else host
    return f"http{'s' if is_secure else ''}://{shown}:{port}/v1"


def _addresses(host: str, port: int) -> Iterator[tuple[int, tuple[str, int, *tuple[int, ...]]]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, _, _, _, address in dict.fromkeys(found):
        yield family, address  # type: ignore[misc]  # IPv4 and IPv6 only, whose first is a text


def _opened(family: int) -> socket.socket | None:
    """None where the kernel does not speak this family."""
    with suppress(OSError):
        found = socket.socket(family, socket.SOCK_STREAM)
        found.settimeout(0)
        if os.name == "posix":  # elsewhere it would take a port that is in use
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        return found
    return None


def _share(found: socket.socket) -> None:
    option = getattr(socket, "SO_REUSEPORT", None)
    if option is None:
        raise UnshareableError("this system has no SO_REUSEPORT")
    try:
        found.setsockopt(socket.SOL_SOCKET, option, 1)
    except OSError as error:
        raise UnshareableError(f"SO_REUSEPORT is refused: {error.strerror}") from error
