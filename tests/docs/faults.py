"""Writes docs/faults.md from what the tests of `tests/faults` demand."""

from pathlib import Path
from typing import Final

from tests.faults import asked, machine, origin, redis, snapshot, sqlite
from tests.faults.fault import EVERY, Fault, OriginFault
from tests.faults.trial import RECOVERED_S, SLACK

FILE = Path(__file__).parents[2] / "docs" / "faults.md"

HEAD: Final = f"""# Faults

What callers see when a part fails, what is counted, and how all comes back. This page is written
from the tests in `tests/faults`, which make each fault in a running program under mixed traffic:
repeats, rewordings, misses and streams of two tenants, whose right answers are known.

While a part of the cache fails, or what the program stands on, all of this holds, and each of the
tests demands it:

- every request gets 200 and the right answer, from a tier that is well or else from the origin;
- nobody gets another tenant's answer, nor a part of one, and none is stored;
- a part that does not answer costs the requests that meet it first `cache.deadline_ms` at most, and
  later ones nothing;
- within {RECOVERED_S:.0f} seconds of the fault's end every tier answers again, what was answered
  meanwhile too (a test takes it for a defect when it lasts {SLACK:.0f} times as long, and logs how
  long it took);
- nothing crashes: `request_crashed` and `task_failed` are counted for none of them.

*Answers meanwhile* names the tiers that go on with hits: the session tier has repeats in one
session, the shared tier repeats of all sessions, the vector tier rewordings. *Part* is the one that
`GET /readyz` calls degraded, with its reason. *Counted* are the events ([events.md](events.md))
that `reprise_events_total` counts; each has its line in the log.

A part that is late again before it has given a hundred good answers must prove itself for longer
than that ([redis.md](redis.md)).
"""

ORIGIN: Final = """## The origin

What the origin says wrong is passed on as it is, or is an error of the proxy's own in OpenAI's
shape; hits go on, from all tiers. Nothing of it is kept: the same question, asked again when the
origin is well, gets the right answer. What a miss gets is counted by
`reprise_requests_total{status="..."}`.

| fault | what a miss gets |
|---|---|
"""


def page() -> str:
    """The whole page."""
    sections = {
        "Redis": redis.FAULTS,
        "The SQLite file and its disk": sqlite.FAULTS,
        "The index's snapshot": snapshot.FAULTS,
        "A server that embeds": asked.EMBEDDER,
        "A language model as judge": asked.JUDGE,
        "The machine, the processes and the configuration": machine.FAULTS + machine.WORKERS,
    }
    parts = [HEAD, *(f"## {name}\n\n{_table(faults)}" for name, faults in sections.items())]
    return "\n".join([*parts, ORIGIN + "".join(map(_miss, origin.FAULTS)) + _drip()])


def _table(faults: tuple[Fault, ...]) -> str:
    head = (
        "| fault | answers meanwhile | part | counted | how it recovers |\n|---|---|---|---|---|\n"
    )
    return head + "".join(map(_row, faults))


def _row(fault: Fault) -> str:
    cells = [
        fault.name,
        _tiers(fault),
        f"`{fault.part}`" if fault.part else "",
        ", ".join(f"`{event}`" for event in sorted(fault.events)),
        fault.recovers,
    ]
    return f"| {' | '.join(cells)} |\n"


def _tiers(fault: Fault) -> str:
    if fault.hits == EVERY:
        return "all tiers"
    return (
        ", ".join(tier for tier in ("session", "shared", "vector") if tier in fault.hits) or "none"
    )


def _miss(fault: OriginFault) -> str:
    return f"| {fault.name} | {fault.says} |\n"


def _drip() -> str:
    return "".join(f"| {fault.name} | {fault.recovers} |\n" for fault in origin.SLOW)
