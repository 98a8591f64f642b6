"""Run the suites and print the scores: `python -m tests.conformance ENVIRONMENT [EXAMPLES]`.

Ends with status 1 where the proxy scores otherwise than its origin, or where anything is found
wrong by the proxy's own document.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.conformance import specification
from tests.conformance.origin import CarefulOrigin
from tests.conformance.tools import LlmComply, Schemathesis, Score
from tests.support.origin import started
from tests.support.program import Process, process, settings

OWN: Final = "^/(healthz|readyz|metrics|openapi.json|v1/cache/feedback)$"
CACHED: Final = "^/v1/(chat/completions|responses|completions|messages|embeddings)$"
SHAPES: Final = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
FORMATS: Final = ("openai-chat", "open-responses", "anthropic")
EXAMPLES: Final = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One suite's scores: of the origin, of the proxy, and of the proxy once more, from its cache.

    `asked` is how often the origin was asked by the proxy, at first and once more.
    """

    suite: str
    origin: Score | None
    proxy: Score
    again: Score | None = None
    asked: tuple[int, int] = (0, 0)

    @property
    def differences(self) -> list[str]:
        """What is found wrong with the proxy and not with its origin, or the other way round."""
        expected = self.origin or Score(self.proxy.cases, (), self.proxy.statuses)
        found = []
        for name, score in (("proxy", self.proxy), ("proxy again", self.again)):
            if score is not None:
                found += [f"{name}: {one}" for one in _apart(expected, score)]
        return found


def _apart(expected: Score, score: Score) -> Iterator[str]:
    """How two scores differ; both have tried the same."""
    yield from (f"found only here: {one}" for one in score.failures if one not in expected.failures)
    yield from (f"not found here: {one}" for one in expected.failures if one not in score.failures)
    if score.cases != expected.cases:
        yield f"{score.cases} cases, not {expected.cases}"
    for reply in sorted({*score.statuses, *expected.statuses}):
        count, before = score.statuses.get(reply, 0), expected.statuses.get(reply, 0)
        if count != before:
            yield f"{reply}, {count} times, not {before}"


class Suites:
    """Every suite, before a proxy and its origin.

    Args:
        environment: Where the suites are installed.
        folder: For their files.
        origin: The running origin.
        proxy: The running proxy before it.
        examples: See `Schemathesis`.
    """

    def __init__(
        self, environment: Path, folder: Path, origin: CarefulOrigin, proxy: Process, examples: int
    ) -> None:
        self._origin, self._proxy = origin, proxy
        programs = environment / "bin"
        self._schemathesis = Schemathesis(programs / "schemathesis", folder, examples)
        self._comply = LlmComply(programs / "llm-comply", folder)
        self._openais = folder / "openai.json"
        specification.write(environment, self._openais)

    def own(self) -> Row:
        """The proxy's own endpoints, by its own document."""
        return Row("own endpoints, /openapi.json", None, self._by_own_document("all", OWN))

    def cached(self) -> Row:
        """The cached endpoints, by the same."""
        return Row("cached endpoints, /openapi.json", None, self._by_own_document(SHAPES, CACHED))

    def _by_own_document(self, checks: str, paths: str) -> Score:
        document = f"{self._proxy.root}/openapi.json"
        return self._schemathesis.run(document, self._proxy.root, checks, paths)

    def openais(self) -> Row:
        """The cached endpoints, by OpenAI's specification."""
        document = str(self._openais)
        return self._both(
            "OpenAI's specification", lambda url: self._schemathesis.run(document, url, SHAPES)
        )

    def comply(self, api: str) -> Row:
        """One list of llm-comply's."""
        return self._both(f"llm-comply, {api}", lambda url: self._comply.run(api, url))

    def _both(self, suite: str, run: Callable[[str], Score]) -> Row:
        origin = run(self._origin.url)
        counts, scores = [self._origin.calls], []
        for _ in range(2):
            scores.append(run(self._proxy.url))
            counts.append(self._origin.calls)
        asked = (counts[1] - counts[0], counts[2] - counts[1])
        return Row(suite, origin, scores[0], scores[1], asked)


def main(arguments: list[str]) -> int:
    """Run everything; returns the exit status."""
    environment = Path(arguments[0]).absolute()
    examples = int(arguments[1]) if arguments[1:] else EXAMPLES
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    rows: list[Row] = []
    origin = CarefulOrigin()
    with tempfile.TemporaryDirectory() as name, started(origin):
        folder = Path(name)
        config = settings(origin.url, folder, cache={"admission": {"stored_action": "store"}})
        with process(config, folder) as proxy:
            suites = Suites(environment, folder, origin, proxy, examples)
            runs: list[Callable[[], Row]] = [suites.own, suites.cached, suites.openais]
            runs += [partial(suites.comply, api) for api in FORMATS]
            for run in runs:
                rows.append(run())
                console.print(rows[-1].suite, style="dim")
            crashed = [line for line in proxy.lines if line["event"] == "request_crashed"]
    for line in crashed:
        console.print(f"The proxy failed on a request: {line}", markup=False)
    return report(console, rows) or bool(crashed)


def replies(statuses: Mapping[str, int]) -> Iterator[str]:
    """A line for each endpoint: how often it replied with each status."""
    endpoints: dict[str, list[str]] = {}
    for reply, count in sorted(statuses.items()):
        endpoint, _, status = reply.rpartition(" ")
        endpoints.setdefault(endpoint, []).append(f"{count} times {status}")
    yield from (f"{endpoint}: {', '.join(told)}" for endpoint, told in endpoints.items())


def report(console: Console, rows: list[Row]) -> int:
    """Print the table and what differs; returns the exit status."""
    table = Table("suite", "origin", "proxy", "proxy again", "origin asked, and again")
    for row in rows:
        asked = "" if row.again is None else f"{row.asked[0]}, {row.asked[1]}"
        table.add_row(row.suite, str(row.origin or ""), str(row.proxy), str(row.again or ""), asked)
    console.print(table)
    for row in rows:
        for one in row.origin.failures if row.origin is not None else ():
            console.print(f"{row.suite}, the origin: {one}", markup=False)
        for line in replies(row.proxy.statuses):
            console.print(f"{row.suite}: {line}", markup=False)
    differing = [(row.suite, one) for row in rows for one in row.differences]
    for suite, one in differing:
        console.print(f"{suite}: {one}", markup=False)
    console.print("The scores differ." if differing else "The proxy scores what its origin scores.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
