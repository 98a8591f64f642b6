"""The Dockerfile, as the steps it is made of."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from dockerfile_parse import DockerfileParser
from pathspec import PathSpec


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction.

    Attributes:
        name: `RUN`, `COPY` and so on.
        value: What follows it, lines joined.
    """

    name: str
    value: str


def steps(file: Path) -> list[Step]:
    """All instructions, in order; comments are none."""
    found = DockerfileParser(str(file)).structure
    return [
        Step(one["instruction"], one["value"]) for one in found if one["instruction"] != "COMMENT"
    ]


def stages(file: Path) -> Iterator[tuple[str, list[Step]]]:
    """Each stage by its name (its number where it has none) with its steps, `FROM` first."""
    begun: list[list[Step]] = []
    for step in steps(file):
        if step.name == "FROM":
            begun.append([])
        begun[-1].append(step)
    for number, stage in enumerate(begun):
        named = re.search(r"\bAS\s+(\S+)", stage[0].value, re.IGNORECASE)
        yield (named[1] if named else str(number)), stage


def expanded(value: str, environment: Mapping[str, str]) -> str:
    """With the variables that are set so far, as `ENV` and `COPY` read them."""
    return Template(value).safe_substitute(environment)


def assignments(value: str) -> dict[str, str]:
    """What an `ENV NAME=value NAME=value` sets."""
    return {name: text.strip('"') for name, text in re.findall(r'(\w+)=("[^"]*"|\S+)', value)}


def command(value: str) -> list[str]:
    """The exec form of `CMD`, `ENTRYPOINT` and `HEALTHCHECK ... CMD`: a list of strings."""
    words: list[str] = json.loads(value[value.index("[") :])
    return words


def context(root: Path) -> list[Path]:
    """Files that a build may copy, relative to the root: the project's, but for ignored ones."""
    lines = (root / ".dockerignore").read_text().splitlines()
    anchored = [
        re.sub(r"^(!?)/?(?=[^#/*])", r"\1/", line) for line in lines
    ]  # as Docker reads them
    ignored = PathSpec.from_lines("gitignore", anchored)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(listed, cwd=root, check=True, capture_output=True).stdout.decode()
    return [Path(name) for name in ignored.match_files(told.rstrip("\0").split("\0"), negate=True)]
