"""The program as it is run: who is slow is let go by its own loop, in clear and over TLS."""

import re
import socket
import ssl
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.origin import ScriptedOrigin
from tests.support.program import Process, process, settings
from tests.support.tls import Authority
from tests.support.waiting import until_sync

CONNECTIONS = {"head_timeout_s": 0.4, "body_timeout_s": 0.4, "send_timeout_s": 0.4}
LARGE = b"x" * (24 << 20)


def refused(running: Process, trusted: ssl.SSLContext) -> dict[str, float]:
    """How many were, by the reason."""
    url = running.root.replace("127.0.0.1", "localhost") + "/metrics"
    with urllib.request.urlopen(url, context=trusted) as got:  # noqa: S310 - the proxy's own
        told = got.read().decode()
    found = re.findall(r'reprise_refused_total\{reason="(\w+)"\} (\S+)', told)
    return {reason: float(count) for reason, count in found}


def connected(running: Process, trusted: ssl.SSLContext) -> socket.socket:
    """A caller with a small buffer."""
    at = urlsplit(running.url)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(20)
    plain.connect(("127.0.0.1", at.port))
    if at.scheme == "http":
        return plain
    return trusted.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize("is_secure", [False, True])
def test_who_is_slow_is_let_go(origin: ScriptedOrigin, tmp_path: Path, is_secure: bool) -> None:
    """In the middle of a head, of a body, and of an answer; others are answered meanwhile."""
    authority = Authority(tmp_path / "authority")
    own = authority.issue("localhost")
    files = {"certificate": str(own.certificate), "key": str(own.key)} if is_secure else {}
    config = settings(origin.url, tmp_path, server={"connections": CONNECTIONS, "tls": files})
    trusted = ssl.create_default_context(cafile=str(authority.file))
    origin.then(headers=(("content-type", "audio/mpeg"),), body=LARGE)
    sent = (
        b"GET /v1/audio HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhos",
        b"POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab",
    )
    with process(config, tmp_path) as running:
        callers = [connected(running, trusted) for _ in sent]
        for caller, what in zip(callers, sent, strict=True):
            caller.sendall(what)
        until_sync(lambda: refused(running, trusted)["reader_too_slow"] == 1, "dropping a reader")
        until_sync(lambda: refused(running, trusted)["head_too_slow"] == 1, "dropping a sender")
        until_sync(lambda: refused(running, trusted)["body_too_slow"] == 1, "refusing a body")
        for caller in callers:
            caller.close()
        status = running.stop()
        crashed = [line for line in running.lines if line["level"] == "error"]

    assert status == 0
    assert crashed == []
