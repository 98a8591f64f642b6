"""Send prompts through a running proxy, no faster than is allowed; count what became of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from proxy.cli.callers import Credential

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

Json = dict[str, Any]

CHATS_PATH: Final = "/v1/chat/completions"
TRIES: Final = 6
"""Of one prompt, where the origin asks for patience."""

PATIENCE: Final = frozenset({429, 503, 529})
"""Statuses that say: later. The last is Anthropic's."""

MOST_PAUSE_S: Final = 120.0
ANSWER_S: Final = 600.0
"""How long one answer may take."""


class PromptError(ValueError):
    """A line is no prompt; the text has its number."""


class StoppedError(Exception):
    """Nothing more can come of it: the text says why."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request: where it goes, and its body."""

    path: str
    body: Json = field(repr=False)


@dataclass(slots=True)
class Tally:
    """What became of the prompts so far.

    Attributes:
        results: By the value of `x-cache`.
        failures: By status, or `no answer`.
    """

    results: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """How many have been asked."""
        return self.results.total() + self.failures.total()


def prompts(lines: Iterable[bytes], model: str | None) -> Iterator[Prompt]:
    """A prompt for each line that is not blank. Raises PromptError.

    A line that is a JSON object is a request's body, or has it as `request` and the path as `path`,
    as a log of past chats does. Any other line is a question to the model.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _prompt(number, line.strip(), model)


def _prompt(number: int, line: bytes, model: str | None) -> Prompt:
    from proxy.core.canonical import loads  # noqa: PLC0415 - slow to import

    if not line.startswith(b"{"):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise PromptError(f"line {number}: is not UTF-8") from None
        if model is None:
            raise PromptError(f"line {number}: is a question; say --model")
        return Prompt(CHATS_PATH, {"model": model, "messages": [{"role": "user", "content": text}]})
    try:
        told = loads(line)
    except ValueError as error:
        raise PromptError(f"line {number}: is not JSON: {error}") from None
    path, body = told.get("path", CHATS_PATH), told.get("request", told)
    if not isinstance(path, str) or not path.startswith("/") or not isinstance(body, dict):
        raise PromptError(f"line {number}: path must be a path, and request an object")
    named = {} if model is None or "model" in body else {"model": model}
    return Prompt(path, {**named, **body})


class Warming:
    """Sends prompts.

    Args:
        root: The proxy's URL.
        caller: Who asks.
        headers: What else every request has.
        rate: Prompts begun in a second.
        tell: Hears how many are done.
    """

    def __init__(
        self,
        root: str,
        caller: Credential,
        headers: "Mapping[str, str]",
        *,
        rate: float,
        tell: Callable[[int], None],
    ) -> None:
        self.tally = Tally()
        self._root = root
        self._caller = caller
        self._headers = headers
        self._every = 1 / rate
        self._tell = tell
        self._next = 0.0
        self._turn = asyncio.Lock()

    async def run(self, what: Iterator[Prompt], concurrency: int) -> None:
        """Send them all. Raises StoppedError when the proxy or the caller's key is no good."""
        import aiohttp  # noqa: PLC0415 - slow to import

        limits = aiohttp.ClientTimeout(total=ANSWER_S)
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector, timeout=limits) as http:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(concurrency):
                        group.create_task(self._work(what, http))
            except* StoppedError as stopped:
                raise stopped.exceptions[0] from None

    async def _work(self, what: Iterator[Prompt], http: "aiohttp.ClientSession") -> None:
        for prompt in what:
            await self._send(prompt, http)
            self._tell(self.tally.done)

    async def _send(self, prompt: Prompt, http: "aiohttp.ClientSession") -> None:
        import aiohttp  # noqa: PLC0415 - slow to import

        try:
            status, result = await self._answered(prompt, http)
        except aiohttp.ClientConnectorError as error:
            raise StoppedError(f"{self._root} cannot be reached: {error}") from None
        except (aiohttp.ClientError, TimeoutError):
            self.tally.failures["no answer"] += 1
            return
        if status == HTTPStatus.OK:
            self.tally.results[result] += 1
            return
        self.tally.failures[str(status)] += 1
        if status == HTTPStatus.UNAUTHORIZED:
            raise StoppedError("The origin does not take the key: see --api-key.")

    async def _answered(self, prompt: Prompt, http: "aiohttp.ClientSession") -> tuple[int, str]:
        """(status, the value of `x-cache`), once the origin has no need of patience."""
        attempt = 0
        while True:
            await self._pace()
            status, headers = await self._ask(prompt, http)
            if status not in PATIENCE or attempt == TRIES - 1:
                return status, headers.get("x-cache", "BYPASS")
            self._pause(pause_of(headers, attempt, time.time()))
            attempt += 1

    async def _ask(
        self, prompt: Prompt, http: "aiohttp.ClientSession"
    ) -> "tuple[int, Mapping[str, str]]":
        headers = {**self._caller.headers(prompt.path), **self._headers}
        async with http.post(self._root + prompt.path, json=prompt.body, headers=headers) as got:
            await got.read()
            return got.status, got.headers

    async def _pace(self) -> None:
        """Wait for the next turn, whoever's it is."""
        async with self._turn:
            while (left := self._next - time.monotonic()) > 0:  # noqa: ASYNC110 - it may grow
                await asyncio.sleep(left)
            self._next = time.monotonic() + self._every

    def _pause(self, seconds: float) -> None:
        """Nobody sends for so long."""
        self._next = max(self._next, time.monotonic() + seconds)


def pause_of(headers: "Mapping[str, str]", attempt: int, now: float) -> float:
    """Seconds that the origin asks for (RFC 9110, 10.2.3), else twice as long each time.

    Args:
        headers: The answer's.
        attempt: From 0.
        now: Seconds since the epoch, for an origin that names a date.
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdecimal():
        return min(float(said), MOST_PAUSE_S)
    try:
        left = parsedate_to_datetime(said).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        left = 2.0**attempt
    return min(max(left, 0.0), MOST_PAUSE_S)
