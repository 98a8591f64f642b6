"""The sockets a server listens on."""

import socket

import pytest

from proxy.listening import UnshareableError, _share, bound, close, is_free, url


def test_a_free_port_is_the_same_for_every_address() -> None:
    """With port 0, all addresses of a name get one port: callers are told of one."""
    sockets = bound("localhost", 0)
    ports = {one.getsockname()[1] for one in sockets}
    close(sockets)

    assert len(ports) == 1
    assert ports != {0}


def test_a_taken_port_is_refused() -> None:
    """Whoever is there first has it."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            bound("127.0.0.1", port)
        with pytest.raises(OSError, match="in use"):
            bound("127.0.0.1", port, shared=True)


def test_a_shared_port_is_shared_with_those_who_say_so() -> None:
    """Several may listen there, and one that does not listen takes no connection."""
    held = bound("127.0.0.1", 0, shared=True)
    port = held[0].getsockname()[1]
    (one,) = bound("127.0.0.1", port, shared=True)
    (two,) = bound("127.0.0.1", port, shared=True)
    for listener in (one, two):
        listener.listen()
    accepted = 0
    callers = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for listener in (one, two):
        listener.settimeout(0)
        while True:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                break
            accepted += 1
    close([*held, one, two, *callers])

    assert accepted == 20


def test_a_shared_port_is_not_free() -> None:
    """A second program must not take a part of the first one's connections by mistake."""
    (one,) = bound("127.0.0.1", 0, shared=True)
    one.listen()
    with pytest.raises(OSError, match="in use"):
        is_free("127.0.0.1", one.getsockname()[1])
    one.close()


def test_a_system_that_does_not_share() -> None:
    """What the system says is passed on: the caller knows which key asked for it."""
    gone = socket.socket()
    gone.close()
    with pytest.raises(UnshareableError, match="SO_REUSEPORT is refused: "):
        _share(gone)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "http://127.0.0.1:80/v1"), ("::1", "http://[::1]:80/v1")],
)
def test_urls(host: str, expected: str) -> None:
    """An IPv6 address stands in brackets (RFC 3986, 3.2.2)."""
    assert url(host, 80) == expected
