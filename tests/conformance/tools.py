"""The suites, run as programs of an environment of their own; what each says is a score."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

KEY = "sk-test"
PATIENCE_S = 900


@dataclass(frozen=True, slots=True)
class Score:
    """What a suite says of a server.

    Attributes:
        cases: How many it tried.
        failures: What it found wrong, as lines that say where and what.
        statuses: How often each endpoint replied with each status.
    """

    cases: int
    failures: tuple[str, ...]
    statuses: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """For the table."""
        return f"{self.cases} cases, {len(self.failures)} findings"


@dataclass(frozen=True, slots=True)
class Schemathesis:
    """Tries what a specification allows and what it forbids, the same in every run.

    Attributes:
        program: Its path.
        folder: Where its reports go.
        examples: How many requests an endpoint, in each way of making them up.
    """

    program: Path
    folder: Path
    examples: int

    def run(self, specification: str, url: str, checks: str, paths: str = ".") -> Score:
        """Try a server.

        Args:
            specification: Its file or address.
            url: Where the server is.
            checks: What must hold, by the program's names.
            paths: Which of the paths, as a pattern.
        """
        report, events = self.folder / "report.json", self.folder / "events.ndjson"
        report.unlink(missing_ok=True)
        events.unlink(missing_ok=True)
        options = {
            "--url": url,
            "--checks": checks,
            "--include-path-regex": paths,
            "--max-examples": str(self.examples),
            "--phases": "examples,coverage,fuzzing",
            "--header": f"authorization: Bearer {KEY}",
            "--suppress-health-check": "all",
            "--report": "json,ndjson",
            "--report-json-path": str(report),
            "--report-ndjson-path": str(events),
        }
        flags = ["--generation-deterministic", "--continue-on-failure", "--no-shrink", "--no-color"]
        pairs = [word for pair in options.items() for word in pair]
        told = _output([str(self.program), "run", specification, *pairs, *flags], self.folder)
        if not report.exists():
            raise RuntimeError(f"schemathesis wrote no report: {told[-2000:]}")
        found = json.loads(report.read_text())
        failures = [
            f"{', '.join(one['operations'])}: {one['title']}, {one['count']} times"
            for one in found["failures"]
        ]
        failures += [f"not tried: {one}" for one in found["errors"]]
        return Score(
            cases=found["test_cases"]["generated"],
            failures=tuple(sorted(failures)),
            statuses=Counter(_statuses(events)),
        )


def _statuses(events: Path) -> Iterator[str]:
    """Endpoint and status of every reply."""
    for line in events.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for one in recorder.get("interactions", {}).values():
            response = one.get("response") or {"status_code": "none"}
            yield f"{recorder['label']} {response['status_code']}"


@dataclass(frozen=True, slots=True)
class LlmComply:
    """A fixed list of requests to one API, and what must be in the answers."""

    program: Path
    folder: Path

    def run(self, api: str, url: str) -> Score:
        """Try a server. `api` is one of the program's formats."""
        where = ["--format", api, "--base-url", url, "--api-key", KEY]
        told = json.loads(_output([str(self.program), *where, "--json"], self.folder))
        failures = []
        for one in told["results"]:
            problems = [*(one.get("errors") or ()), *(one.get("warnings") or ())]
            if one["status"] != "skipped":
                failures += [f"{one['id']} ({one['status']}): {problem}" for problem in problems]
        return Score(told["summary"]["total"], tuple(failures))


def _output(command: Sequence[str], folder: Path) -> str:
    """What a program writes; its exit status says what the report says too."""
    environ = {**os.environ, "HOME": str(folder), "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return (done.stdout or done.stderr).decode()
