"""Callers by a plan: each answer is read whole, and checked."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tests.faults.traffic import Ask, Seen, Traffic
from tests.load.shapes import Plan, long, mixed
from tests.support.program import chat

PIECE: Final = 60
"""Bytes that a slow caller writes, or reads, at once."""

SLOW_PAUSE_S: Final = 0.1
SLOWEST: Final = 1000
"""No plan has more slow callers."""


@dataclass(slots=True)
class Tally:
    """What became of requests.

    Attributes:
        asked: How many have ended.
        failed: Those without a whole answer, one line each.
        wrong: Those whose answer is another question's, or another tenant's.
        tiers: Answers by the tier that gave them; "" is the origin.
        ms: What each took, to its last byte.
    """

    asked: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    tiers: Counter[str] = field(default_factory=Counter)
    ms: list[float] = field(default_factory=list)

    def take(self, seen: Seen) -> None:
        """Count one."""
        self.asked += 1
        self.tiers[seen.tier or ""] += 1
        self.ms.append(1000 * seen.seconds)
        if seen.status != 200 or seen.broken or not seen.text:
            self.failed.append(str(seen))
        elif not seen.is_right:
            self.wrong.append(str(seen))


async def drive(traffic: Traffic, plan: Plan, seconds: float, tally: Tally, first: int = 0) -> None:
    """Have the plan carried out for so long, and wait for the last answer.

    Args:
        traffic: The program.
        plan: Who asks what, and when.
        seconds: How long to ask.
        tally: Counts.
        first: Number of the first request: what is new is so only where numbers are.
    """
    over = time.monotonic() + seconds

    async def ask(one: Ask) -> None:
        tally.take(await traffic.ask(one))

    async def stream(of: Callable[[int], Ask], due: Callable[[int], float]) -> None:
        begins = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in count(first):
                at = begins + due(number - first)
                if at > over:
                    break
                await asyncio.sleep(at - time.monotonic())
                group.create_task(ask(of(number)))

    async with asyncio.TaskGroup() as group:
        group.create_task(stream(mixed, plan.due))
        if plan.long_rate:
            group.create_task(stream(long, lambda number: number / plan.long_rate))
        for number in range(plan.slow):
            group.create_task(_go_slowly(traffic, first + number, over, tally))


async def _go_slowly(traffic: Traffic, number: int, over: float, tally: Tally) -> None:
    port = int(traffic.program.root.rpartition(":")[2])
    while time.monotonic() < over:
        number += SLOWEST
        tally.take(await _slowly(port, mixed(number)))


async def _slowly(port: int, ask: Ask) -> Seen:
    """Ask over a connection of its own, a few bytes at a time both ways."""
    body = json.dumps(chat(ask.question)).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: slow\r\nconnection: close\r\n"
        f"content-type: application/json\r\nauthorization: Bearer {ask.key}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    began, raw, got = time.monotonic(), head.encode() + body, b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=PIECE)
    for at in range(0, len(raw), PIECE):
        writer.write(raw[at : at + PIECE])
        await asyncio.sleep(SLOW_PAUSE_S)
    while piece := await reader.read(PIECE):
        got += piece
        await asyncio.sleep(SLOW_PAUSE_S)
    writer.close()
    status = int(got.split(b" ", 2)[1]) if got else 0
    said = got.partition(b"\r\n\r\n")[2]
    text = json.loads(said)["choices"][0]["message"]["content"] if status == 200 else ""
    return Seen(ask, status, None, text, said, not got, time.monotonic() - began)
