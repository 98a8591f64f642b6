"""Make a fault under traffic, end it, and judge what came of it."""

import json
import logging
import time
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Final

from tests.faults.fault import Fault, OriginFault
from tests.faults.place import DEADLINE_S, Place
from tests.faults.traffic import TENANTS, Ask, Seen, is_right, meaning
from tests.support.program import Json
from tests.support.waiting import until_async

_log = logging.getLogger(__name__)

MEANWHILE_S: Final = 0.6
AFTERWARDS_S: Final = 0.2
RECOVERED_S: Final = 2.0
"""From a fault's end until every tier answers again, on a machine that does nothing else."""
SLACK: Final = 5.0
"""How many times as long it may take before it is taken for a defect: machines are busy."""
BOUND_S: Final = DEADLINE_S + 0.5
"""What a request may take while a part is away, on such a machine."""
END: Final = b"data: [DONE]\n\n"
DEFECTS: Final = frozenset({"request_crashed", "task_failed", "log"})
"""What nothing of this may bring about: an unhandled error, or a library's complaint."""


async def tried(place: Place, fault: Fault) -> None:
    """Make the fault, end it, and demand what it promises, and what all promise."""
    traffic = place.traffic
    await _warmed(place)
    await traffic.settle()
    program, counted = place.program, await place.counted()
    await fault.begin(place)
    if place.program is not program:
        counted = {}  # another process begins to count anew
    try:
        meanwhile = await traffic.flow(MEANWHILE_S)
        await until_async(lambda: _is_told(place, fault, counted), "word of it")
    finally:
        await fault.end(place)
    await _recovered(place, fault, () if fault.loses or fault.breaks else _stored(meanwhile))
    afterwards = await traffic.flow(AFTERWARDS_S)

    _demand_none(_wrong([*meanwhile, *afterwards], breaks=fault.breaks))
    _demand_none([str(seen) for seen in meanwhile if seen.seconds >= BOUND_S * SLACK])
    _demand_none(fault.hits - {seen.tier for seen in meanwhile})
    _demand_none([str(seen) for seen in afterwards if not seen.is_right])
    _demand_none(_defects(place))
    await all_stored_are_whole(place)


def _demand_none(found: Collection[object]) -> None:
    assert not found, found


async def _warmed(place: Place) -> None:
    """Every tier has answers to new questions."""
    await place.traffic.warm()
    await _in_all_tiers(place, place.traffic.known[0])


def _stored(seen: Iterable[Seen]) -> list[str]:
    """A question that was answered by the origin, and so is to be in every tier."""
    asked = [one.ask for one in seen if one.tier is None and one.is_right]
    return [ask.question for ask in asked if ask.key == TENANTS[0]][:1]


async def _is_told(place: Place, fault: Fault, before: Mapping[str, float]) -> bool:
    """Whether all that should be told of the fault has been."""
    counted = await place.counted()
    if not all(counted.get(event, 0) > before.get(event, 0) for event in fault.events):
        return False
    parts: dict[str, str] = (await place.says())["parts"]
    return fault.part is None or parts.get(fault.part, "ok") != "ok"


async def _recovered(place: Place, fault: Fault, stored: Collection[str] = ()) -> None:
    """Every part is well and every tier answers again, in time, what was stored meanwhile too."""
    began = time.monotonic()
    traffic = place.traffic
    meanwhile, afterwards = traffic.fresh(), traffic.fresh()
    await until_async(lambda: _is_answered(place, meanwhile), "an answer")

    async def is_ready() -> bool:
        return bool((await place.says())["status"] == "ready")

    await until_async(is_ready, "all parts' being well")
    for question in (meanwhile, *stored, *(() if fault.loses else traffic.known[:1])):
        await _in_all_tiers(place, question)
    await until_async(lambda: _is_answered(place, afterwards), "an answer")
    await _in_all_tiers(place, afterwards)
    seconds = time.monotonic() - began
    _log.info("%s: all well again after %.2f s", fault.name, seconds)
    assert seconds < RECOVERED_S * SLACK, f"all well again after {seconds:.2f} s"


async def _is_answered(place: Place, question: str) -> bool:
    return (await place.traffic.ask(Ask(TENANTS[0], question))).is_right


async def _in_all_tiers(place: Place, question: str) -> None:
    """An answer comes to where it belongs, whatever was late or away when it was stored."""
    for tier in ("shared", "vector"):
        await until_async(partial(_hits, place, question, tier), f"{question!r} in {tier}")


async def _hits(place: Place, question: str, tier: str) -> bool:
    """Whether this tier answers it: by its words, or the index by its meaning."""
    traffic = place.traffic
    said = traffic.reworded(question) if tier == "vector" else question
    session = traffic.other_session()
    seen = await traffic.ask(Ask(TENANTS[0], said, session=session, only_cached=True))
    return seen.tier == tier and seen.is_right


def _wrong(seen: Iterable[Seen], *, breaks: bool = False) -> list[str]:
    """What was not answered as the origin would have; nobody may have been told it was right."""
    return [
        str(one)
        for one in seen
        if not (one.is_right or (breaks and (one.broken or one.status == 0)))
    ]


def _defects(place: Place) -> list[Json]:
    assert "Traceback" not in place.program.log.read_text()
    return [line for line in place.program.lines if line["event"] in DEFECTS]


async def all_stored_are_whole(place: Place) -> None:
    """Every entry of the shared tier is an answer that the origin gave, whole, to its question."""
    first, *entries, last = [json.loads(line) for line in (await place.export()).splitlines()]

    assert (first["object"], last["object"]) == ("cache.export", "cache.export.end")
    assert last["entries"] == len(entries) > 0
    _demand_none([entry for entry in entries if not _is_whole(entry)])


def _is_whole(entry: Json) -> bool:
    said = json.loads(entry["body"])["choices"][0]["message"]["content"]
    question = entry["question"] or said.partition(" to: ")[2]
    return any(is_right(said, question, key) for key in TENANTS) and meaning(question) != ""


async def tried_origin(place: Place, fault: OriginFault) -> None:
    """Misses get what the origin says, hits go on, and nothing bad is kept."""
    traffic = place.traffic
    await _warmed(place)
    await fault.begin(place)
    try:
        meanwhile = await traffic.flow(MEANWHILE_S)
    finally:
        await fault.end(place)
    misses = [seen for seen in meanwhile if not seen.is_right]
    await _recovered(place, _AN_ORIGIN)
    # What was answered badly is answered well, as nothing of it was kept.
    again = [await traffic.ask(seen.ask) for seen in misses[:8]]

    assert misses
    _demand_none([str(seen) for seen in misses if not _is_the_origins(seen, fault)])
    _demand_none(fault.hits - {seen.tier for seen in meanwhile if seen.is_right})
    _demand_none(_wrong(again))
    _demand_none(_defects(place))
    await all_stored_are_whole(place)


def _is_the_origins(seen: Seen, fault: OriginFault) -> bool:
    if seen.tier is not None:  # a hit must be right
        return False
    if fault.cuts and seen.broken:
        return True
    if seen.status not in fault.statuses:
        return False
    if fault.body is None:
        return seen.code in fault.codes
    is_restated = fault.restated and seen.ask.stream and seen.body.endswith(END)
    return seen.body == fault.body or is_restated


async def _nothing(_place: Place) -> None:
    pass


_AN_ORIGIN: Final = Fault(name="", begin=_nothing, recovers="")
