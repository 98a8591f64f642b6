"""Mixed traffic to a running program, by somebody who knows every right answer.

The scripted origin's answer names the question and a digest of all that it depends on, the caller's
key among it. So a wrong answer, and one that was another tenant's, is known by its text alone.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import aiohttp

from proxy.core.breaker import STEADY
from tests.support.completions import text_for
from tests.support.program import Json, Process, chat

TENANTS: Final = ("sk-one", "sk-two")
RATE: Final = 50.0
"""Requests a second, sent whether or not those before are answered."""

AT_ONCE: Final = 10
KNOWN: Final = 3

_SAID: Final = re.compile(r"Answer [0-9a-f]{12} to: (.*)", re.DOTALL)


def meaning(question: str) -> str:
    """What is left of a question when only its wording changes: see `reworded`."""
    return " ".join(question.casefold().replace(" can ", " do ").split())


def reworded(question: str, number: int) -> str:
    """The same question in other words, in a form for each number below 4096."""
    first, *words = question.replace(" do ", " can ").split(" ")
    gaps = [" " * (1 + (number >> 2 * place) % 4) for place in range(len(words))]
    return first + "".join(gap + word for gap, word in zip(gaps, words, strict=True))


def is_right(text: str, question: str, key: str) -> bool:
    """Whether the origin said this, whole, to this caller, to a question that means the same."""
    found = _SAID.fullmatch(text)
    if found is None or meaning(found[1]) != meaning(question):
        return False
    return text == text_for(chat(found[1]), f"Bearer {key}")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: who asks what, and how."""

    key: str
    question: str
    stream: bool = False
    session: str = ""
    only_cached: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a request.

    Attributes:
        status: 0 where the connection broke before there was one.
        tier: Of a hit.
        text: What was said; "" where that is no whole answer.
        body: What came.
        broken: The answer began, and broke off.
        seconds: From asking to the end.
    """

    ask: Ask
    status: int
    tier: str | None
    text: str
    body: bytes
    broken: bool
    seconds: float

    @property
    def is_right(self) -> bool:
        return self.status == 200 and is_right(self.text, self.ask.question, self.ask.key)

    @property
    def code(self) -> str | None:
        """The code of an error in OpenAI's shape; None for what is none."""
        try:
            error = json.loads(self.body)["error"]
            return (
                str(error["code"]) if set(error) == {"message", "type", "param", "code"} else None
            )
        except (ValueError, KeyError, TypeError):
            return None

    def __str__(self) -> str:
        how = f"{self.status} {self.tier} broken={self.broken} {self.seconds:.2f} s"
        return f"{self.ask} -> {how} {self.text or self.body[-300:]!r}"


@dataclass(slots=True)
class Traffic:
    """Asks one program, whose address may change when it is started again.

    Attributes:
        known: Questions that every tier can answer.
        asked: Every question asked, and by whom.
    """

    program: Process
    http: aiohttp.ClientSession
    known: tuple[str, ...] = ()
    asked: set[tuple[str, str]] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=count)
    _forms: Iterator[int] = field(default_factory=count)

    def fresh(self) -> str:
        """A question that nobody has asked."""
        return f"How do I clean thing number {next(self._numbers)}?"

    def reworded(self, question: str) -> str:
        """In a form that nobody has used."""
        return reworded(question, 1 + next(self._forms) % 4095)

    def other_session(self) -> str:
        return f"session-{next(self._numbers)}"

    async def ask(self, ask: Ask) -> Seen:
        """Ask once."""
        self.asked.add((ask.key, ask.question))
        headers = {"authorization": f"Bearer {ask.key}"}
        if ask.session:
            headers["x-session-id"] = ask.session
        if ask.only_cached:
            headers["cache-control"] = "only-if-cached"
        began, status, tier, body, broken = time.monotonic(), 0, None, b"", False
        try:
            async with self.http.post(
                f"{self.program.url}/chat/completions",
                json=chat(ask.question, stream=True) if ask.stream else chat(ask.question),
                headers=headers,
            ) as got:
                status, tier = got.status, got.headers.get("x-cache-tier")
                async for piece in got.content.iter_any():
                    body += piece
        except (aiohttp.ClientError, OSError):
            broken = True
        text = "" if broken or status != 200 else said(body, stream=ask.stream)
        return Seen(ask, status, tier, text, body, broken, time.monotonic() - began)

    async def warm(self) -> None:
        """Both tenants get answers to some new questions, which every tier knows from then on."""
        self.known = tuple(self.fresh() for _ in range(KNOWN))
        for key in TENANTS:
            for question in self.known:
                seen = await self.ask(Ask(key, question))
                assert seen.is_right, seen

    async def settle(self) -> None:
        """So many good answers that a lateness of old is forgotten (`proxy.core.breaker`)."""
        for _ in range(STEADY // AT_ONCE + 1):
            asks = [
                Ask(TENANTS[0], self.known[0], session=self.other_session()) for _ in range(AT_ONCE)
            ]
            await asyncio.gather(*map(self.ask, asks))

    async def flow(self, seconds: float) -> list[Seen]:
        """Steady mixed traffic for so long; what became of each request, in the order of asking."""
        begins, asking = time.monotonic(), []
        async with asyncio.TaskGroup() as group:
            for number in count():
                due = begins + number / RATE
                if due > begins + seconds:
                    break
                await asyncio.sleep(due - time.monotonic())
                asking.append(group.create_task(self.ask(self._next(number))))
        return [task.result() for task in asking]

    def _next(self, number: int) -> Ask:
        """A repeat, one in another session, a rewording, a miss, or what the other tenant asked."""
        key, known = TENANTS[number % 2], self.known[number // 2 % KNOWN]
        match number // 2 % 5:
            case 0:
                return Ask(key, known)
            case 1:
                return Ask(key, known, session=self.other_session(), stream=number % 4 < 2)
            case 2:
                return Ask(key, self.reworded(known))
            case 3:
                return Ask(key, self.fresh(), stream=True)
            case _:
                asked = [question for who, question in self.asked if who != key]
                return Ask(key, self.fresh() if number % 4 < 2 else random.choice(asked))


def said(body: bytes, *, stream: bool) -> str:
    """What an answer says; "" where it is not whole."""
    try:
        if not stream:
            return str(json.loads(body)["choices"][0]["message"]["content"])
        *events, end = [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event]
        if end != b"[DONE]":
            return ""
        chunks: list[Json] = [json.loads(event) for event in events]
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
