"""One cell of the matrix: a client used twice, first answered by the origin, then by the cache."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.clients.driving import Driver, DriverError
from tests.clients.roster import CALLS, FACT, QUESTION, Client
from tests.support.origin import Act, ScriptedOrigin, scripted_origin
from tests.support.program import Process, merged, process
from tests.support.waiting import until_sync

Json = dict[str, Any]

GENERATIVE: Final = ("plain", "stream", "tools", "tools stream", "structured")
FEATURES: Final[Mapping[str, tuple[str, ...]]] = {
    "chat": GENERATIVE,
    "responses": GENERATIVE,
    "messages": GENERATIVE,
    "completions": ("plain", "stream"),
    "embeddings": ("plain",),
}
"""What each API has to offer."""

LOGGED: Final[Mapping[str, str]] = {"chat": "chat.completions"}
"""What the proxy's log calls an API, where it is another name."""

PLAYS: Final[Mapping[str, Act]] = {"tools": CALLS, "tools stream": CALLS, "structured": FACT}
"""How the origin answers first at a feature; all else, such as tools' results, gets a text."""

STREAMED: Final[Mapping[str, bool]] = {
    "plain": False,
    "stream": True,
    "tools": False,
    "tools stream": True,
}
"""Whether the answers of a feature are streamed; the others may be either."""

TELLING: Final[Mapping[str, str]] = {"completions": "said.", "embeddings": "."}
"""What the result must hold, so that nothing is not taken for something. All other answers repeat
the question, and its `zz`, even of a text cut into pieces: it cannot be cut in both words."""

OWN_TO_AN_ANSWER: Final = frozenset({"created", "created_at", "completed_at", "service_tier"})
"""What an answer from the cache has of its own, besides its id: no tier of the origin serves it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """How a use of a client went. `problem` is empty when it passed."""

    api: str
    feature: str
    problem: str


@dataclass(frozen=True, slots=True)
class Try:
    """One use of a client.

    Attributes:
        result: What its user got.
        calls: How often the origin was asked.
        lines: What the proxy logged of its requests.
        error: How the client failed, in place of all that.
    """

    result: Any = None
    calls: int = 0
    lines: Sequence[Json] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Bench:
    """What clients are driven against: an origin, and a proxy before it as a process."""

    origin: ScriptedOrigin
    proxy: Process

    def use(self, client: Client, driver: Driver, cell: str) -> Cell:
        """Use the client twice, for one cell."""
        api, _, feature = cell.partition("/")
        act = client.plays.get(cell) or PLAYS.get(feature)
        key = f"sk-{client.driver}-{cell}".replace(" ", "-").replace("/", "-")
        first = self._try(driver, cell, key, act, 1)
        if first.error:
            return Cell(api, feature, f"answered by the origin: {first.error}")
        second = self._try(driver, cell, key, act, first.calls)
        if second.error:
            return Cell(api, feature, f"answered by the cache: {second.error}")
        return Cell(api, feature, problem(api, feature, first, second))

    def _try(self, driver: Driver, cell: str, key: str, act: Act | None, requests: int) -> Try:
        """One use. Waits until the proxy has logged at least so many requests of it."""
        self.origin.acts.clear()
        self.origin.acts.extend([act] if act is not None else [])
        calls, lines = self.origin.calls, len(self._requests())
        try:
            told = driver.use(cell, self.proxy.root, key, QUESTION)
            calls = self.origin.calls - calls
            awaited = lines + max(requests, calls)
            if "result" in told:
                until_sync(lambda: len(self._requests()) >= awaited, "its request to the proxy")
        except (AssertionError, DriverError) as problem:
            return Try(error=str(problem))
        if "error" in told:
            return Try(error=told["error"])
        return Try(told["result"], calls, self._requests()[lines:])

    def _requests(self) -> list[Json]:
        return [line for line in self.proxy.lines if line["event"] == "request"]


@contextmanager
def bench(directory: Path, **over: Any) -> Iterator[Bench]:
    """An origin and a proxy with its defaults but for addresses, files, and patience."""
    with scripted_origin() as origin:
        config = {
            "server": {"port": 0},
            "upstream": {"base_url": origin.url},
            "cache": {
                "deadline_ms": 5000,  # a slow machine must not look like a client that misses
                "shared": {"url": f"sqlite:///{directory}/reprise.db"},
                "vector": {"snapshot": f"{directory}/index.snapshot"},
                "judgement": {"labels": f"{directory}/labels.db"},
            },
            "telemetry": {"log_format": "json", "count_tokens": False},
        }
        with process(merged(config, over), directory) as proxy:
            yield Bench(origin, proxy)


def problem(api: str, feature: str, first: Try, second: Try) -> str:
    """Why the cell does not pass; empty when it does."""
    if TELLING.get(api, "zz") not in json.dumps(first.result):
        return f"the client gave its user nothing: {first.result!r}"
    return (
        _cached(first, second)
        or _as_asked(api, feature, [*first.lines, *second.lines])
        or difference(plain(first.result), plain(second.result))
    )


def _cached(first: Try, second: Try) -> str:
    """Why this was not an answer from the origin and then one from the cache; empty if it was."""
    told = [(line["result"], line.get("reason", "")) for line in (*first.lines, *second.lines)]
    stored = all(line["result"] == "MISS" and line["stored"] for line in first.lines)
    if not first.calls or not stored:
        return f"the first answer was not stored from the origin: {told}"
    if second.calls or any(line["result"] != "HIT" for line in second.lines):
        return f"the second answer came from the origin ({second.calls} calls): {told}"
    return ""


def _as_asked(api: str, feature: str, lines: Sequence[Json]) -> str:
    """Why a client did something other than the cell says; empty if it did that."""
    apis, streamed = {line["api"] for line in lines}, {line["stream"] for line in lines}
    if apis != {LOGGED.get(api, api)}:
        return f"the client asked {apis}"
    if feature in STREAMED and streamed != {STREAMED[feature]}:
        return f"the client was streamed to: {streamed}"
    return ""


def plain(value: Any) -> Any:
    """A result without what belongs to one answer: its id and its times."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_answer = "object" in value or "stop_reason" in value
    gone = OWN_TO_AN_ANSWER | ({"id"} if is_answer else set())
    return {name: plain(item) for name, item in value.items() if name not in gone}


def difference(first: Any, second: Any, at: str = "the result") -> str:
    """Where two results first differ; empty if they are equal."""
    match first, second:
        case dict(), dict() if first.keys() == second.keys():
            pairs = [(first[name], second[name], f"{at}.{name}") for name in first]
        case list(), list() if len(first) == len(second):
            pairs = [
                (a, b, f"{at}[{i}]") for i, (a, b) in enumerate(zip(first, second, strict=True))
            ]
        case _:
            return "" if first == second else f"{at} differs: {first!r}, then {second!r}"
    return next(filter(None, (difference(*pair) for pair in pairs)), "")
