"""`reprise probe`, as a container's health check runs it."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.test_check import run
from tests.support.program import Process, process, settings
from tests.support.tls import Authority


def probed(running: Process, directory: Path) -> tuple[int, str]:
    """(exit code, stderr) of a probe with the configuration that the proxy has."""
    port = str(urlsplit(running.url).port)
    ended = run("probe", "--config", str(directory / "proxy.yaml"), PORT=port)
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


def test_alive_or_not(tmp_path: Path) -> None:
    """0 while the proxy answers; 1 and the reason once it does not."""
    with process(settings("http://127.0.0.1:9/v1", tmp_path), tmp_path) as running:
        alive = probed(running, tmp_path)
        told = run("probe", "--json", PORT=str(urlsplit(running.url).port)).stdout
        running.kill()
        dead = probed(running, tmp_path)

    assert alive == (0, "")
    assert json.loads(told) == {"url": running.root, "is_alive": True}
    assert dead[0] == 1
    assert "refused" in dead[1]


@pytest.mark.parametrize("asks_callers", [False, True])
def test_over_tls(tmp_path: Path, *, asks_callers: bool) -> None:
    """Whatever name the certificate has, and where callers must show one of their own."""
    authority = Authority(tmp_path / "authority")
    shown = authority.issue("proxy.internal")
    tls = {"certificate": str(shown.certificate), "key": str(shown.key)}
    if asks_callers:
        tls["client_ca"] = str(authority.file)
    chosen = settings("http://127.0.0.1:9/v1", tmp_path, server={"tls": tls})
    with process(chosen, tmp_path) as running:
        assert probed(running, tmp_path) == (0, "")
