"""Try what would be released, as a stranger gets it: `python -m tests.release FOLDER`.

Wheel and source distribution are built into FOLDER/dist. The wheel is installed in an empty
environment, with what it depends on from the package index and nothing of this checkout; there
`reprise` says how it is used, serves with its defaults, answers one request, and is removed again.
"""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from pathlib import Path
from typing import Final

import openai

from tests.support.commands import run, say
from tests.support.origin import ScriptedOrigin, started

ROOT: Final = Path(__file__).parents[2]
PORT: Final = "8091"
PATIENCE_S: Final = 60
"""From the end of the installation to the first answer."""


def alone(*words: str | Path, cwd: Path = ROOT) -> str:
    """What a program prints that knows nothing of this checkout."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return run(*words, cwd=cwd, env=environ, stderr=subprocess.PIPE)


def built(folder: Path) -> Path:
    """The wheel, built as the source distribution is; both are looked into."""
    shutil.rmtree(folder, ignore_errors=True)
    alone(sys.executable, "-m", "hatchling", "build", "--directory", folder)
    wheel, source = next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"proxy", f"{_stem(wheel)}.dist-info"}
    assert "proxy/models/verifier/model.onnx" in names
    with tarfile.open(source) as held:
        assert any(name.endswith("/tests/conftest.py") for name in held.getnames())
    sizes = ", ".join(f"{file.name} {file.stat().st_size / 1e6:.1f} MB" for file in (wheel, source))
    say(sizes)
    return wheel


def _stem(wheel: Path) -> str:
    return "-".join(wheel.name.split("-")[:2])


def installed(wheel: Path, folder: Path) -> Path:
    """The programs of an empty environment with the wheel in it."""
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    began = time.monotonic()
    alone(folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    say(f"installed in {time.monotonic() - began:.0f} s")
    return folder / "bin"


def answered(programs: Path, folder: Path) -> None:
    """Serve with the defaults from an empty folder, ask once and twice, and end by SIGTERM."""
    folder.mkdir()
    origin = ScriptedOrigin()
    with started(origin):
        chosen = {"OPENAI_BASE_URL": origin.url, "PORT": PORT, "PATH": os.environ["PATH"]}
        began = time.monotonic()
        child = subprocess.Popen([programs / "reprise", "serve"], cwd=folder, env=chosen)
        try:
            first = _ask(began)
            say(f"first answer {time.monotonic() - began:.1f} s after the start: {first}")
            assert (first, _ask(began)) == ("MISS", "HIT")
            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_S) == 0
        finally:
            child.kill()
    assert {file.name for file in folder.rglob("*")} >= {"data", "reprise.db"}


def _ask(began: float) -> str | None:
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{PORT}/v1", api_key="sk-x", max_retries=0)
    while True:
        try:
            reply = client.chat.completions.with_raw_response.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Is this the wheel?"}]
            )
        except openai.APIConnectionError:
            assert time.monotonic() - began < PATIENCE_S, "no answer in time"
            time.sleep(0.05)
        else:
            return reply.headers.get("x-cache")


def main(arguments: list[str]) -> int:
    """Build, install, use, remove; returns the exit status."""
    folder = Path(arguments[0]).absolute()
    work = folder / "release"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    wheel = built(folder / "dist")
    programs = installed(wheel, work / "environment")
    told = alone(programs / "reprise", "--help", cwd=work)
    assert "serve" in told
    version = alone(programs / "reprise", "version", cwd=work).strip()
    assert version in wheel.name
    answered(programs, work / "folder")
    alone(programs / "pip", "uninstall", "--quiet", "--yes", "reprise", cwd=work)
    assert not (programs / "reprise").exists()
    say(f"Reprise {version} installs, serves and goes.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
