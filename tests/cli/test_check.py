"""`reprise check`, as a person runs it."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from proxy.config import Config, effective
from proxy.config.loading import OVERRIDES

SECRET = "hunter2"


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in {"CONFIG", "REPRISE_URL", *OVERRIDES}
    }
    return subprocess.run(
        [sys.executable, "-m", "proxy", *arguments],
        env={**clean, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_defaults() -> None:
    """Without a file it prints the defaults, and nothing to stderr."""
    ended = run("check")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert effective(Config()) == yaml.safe_load(ended.stdout)


def test_json(tmp_path: Path) -> None:
    """`--json` prints the same for a program."""
    file = tmp_path / "c.yaml"
    file.write_text("server: {port: 9000}")
    ended = run("check", "--config", str(file), "--json")

    assert json.loads(ended.stdout)["server"]["port"] == 9000


def test_secrets_are_hidden() -> None:
    """No secret is printed, whichever way it came."""
    for arguments in (["check"], ["check", "--json"]):
        ended = run(*arguments, REDIS_URL=f"redis://:{SECRET}@cache:6379")

        assert ended.returncode == 0
        assert "redis://:**********@cache:6379" in ended.stdout
        assert SECRET not in ended.stdout


def test_keys_are_not_for_what_is_there(tmp_path: Path) -> None:
    """Whoever has what is stored sealed is told what becomes of what is not."""
    file = tmp_path / "c.yaml"
    file.write_text("cache: {encryption: {keys: [{id: a, key: '${K}'}]}}")
    key = base64.b64encode(bytes(32)).decode()
    ended = run("check", "--config", str(file), K=key)

    assert ended.returncode == 0
    assert "in clear is not read any more" in ended.stderr
    assert "cache.tenant_key is not set" in ended.stderr
    assert key not in ended.stdout + ended.stderr


def test_problems(tmp_path: Path) -> None:
    """Problems go to stderr, one a line, with exit code 2 and nothing on stdout."""
    file = tmp_path / "c.yaml"
    file.write_text("cache: {vectr: {}, vector: {threshold: 1.2}}")
    ended = run("check", CONFIG=str(file), PORT="web")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "server.port (from PORT): must be a whole number",
        "cache.vector.threshold: 1.2 is above 1",
        "cache.vectr: unknown key, did you mean vector?",
    ]


def test_no_file() -> None:
    """A file that is not there is a problem like any other."""
    ended = run("check", "-c", "/nowhere/c.yaml")

    assert (ended.returncode, ended.stderr) == (2, "/nowhere/c.yaml: No such file or directory\n")


def test_help_is_cheap() -> None:
    """Asking for help imports nothing heavy: it must answer at once."""
    heavy = ["aiohttp", "faiss", "numpy", "onnxruntime", "openai", "pydantic", "redis", "tiktoken"]
    program = f"import sys, proxy.cli; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert ended.stdout == "[]\n"


def test_version_and_help() -> None:
    """The other ways of asking what this is."""
    assert "0.1.0" in run("version").stdout
    assert "check" in run("--help").stdout
    assert run("chek").returncode == 2
