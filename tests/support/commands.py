"""Programs that a suite runs one after the other, each of which must end well."""

import subprocess
import sys
from pathlib import Path
from typing import Any


def run(*words: str | Path, **more: Any) -> str:
    """What it prints, unless `stdout` says where else that goes; ends the program where it fails.

    Args:
        words: The command.
        more: As `subprocess.run` takes it.
    """
    how = {"stdout": subprocess.PIPE, **more}
    done = subprocess.run(words, check=False, text=True, **how)
    printed: str = done.stdout or ""
    if done.returncode:
        told = f"{printed}{done.stderr or ''}\nThis failed with {done.returncode}: "
        raise SystemExit(told + " ".join(map(str, words)))
    return printed


def say(line: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
