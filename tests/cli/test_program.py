"""What holds for `reprise` as a whole: completion, suggestions, exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.cli.exits import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_MISUSED, MEANINGS
from tests.cli.test_check import run

PROGRAM = Path(sys.executable).parent / "reprise"
"""As it is installed: its name is part of what a shell is taught."""


def asked(**environ: str) -> str:
    ended = subprocess.run(
        [PROGRAM],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.stdout


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("reprise pu", "purge"),
        ("reprise purge --ta", "--tag"),
        ("reprise index mi", "migrate"),
        ("reprise stats --wa", "--watch"),
    ],
)
def test_the_shell_completes(words: str, completed: str) -> None:
    """Commands, those of a group, and options: as bash asks for them."""
    at = str(len(words.split()) - 1)
    said = asked(_REPRISE_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=at)

    assert said.split() == [completed]


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", "complete -o default -F _reprise_completion reprise"),
        ("zsh", "#compdef reprise"),
        ("fish", "complete --command reprise"),
    ],
)
def test_a_shell_is_taught(shell: str, words: str) -> None:
    """docs/cli.md says how, for a shell that is not this one."""
    assert words in asked(_REPRISE_COMPLETE=f"source_{shell}")


def test_what_is_misspelt_is_suggested() -> None:
    """A command or an option that is nearly one, with the exit code of misuse."""
    command = run("purg")
    option = run("purge", "--older", "7d")

    assert (command.returncode, option.returncode) == (EXIT_MISUSED, EXIT_MISUSED)
    assert "Did you mean 'purge'?" in command.stderr
    assert "--older-than" in option.stderr


def test_every_exit_code_has_its_meaning() -> None:
    """Those that commands end with are all in the table that docs/cli.md shows."""
    assert set(MEANINGS) == {0, EXIT_FAILED, EXIT_MISUSED, EXIT_INTERRUPTED}


def test_version() -> None:
    """For a person and for a program."""
    plain, told = run("version"), run("version", "--json")

    assert (plain.returncode, told.returncode) == (0, 0)
    assert f'"version": "{plain.stdout.strip()}"' in told.stdout
