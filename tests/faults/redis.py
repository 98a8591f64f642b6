"""What Redis can do."""

import asyncio

from tests.faults.fault import Fault, Step, shared_is_away
from tests.faults.place import KEPT, Place

BY_ITSELF = "a probe finds it well; what was answered meanwhile is written to it"


async def _kill(place: Place) -> None:
    place.server.kill()


async def _start(place: Place) -> None:
    await asyncio.to_thread(place.server.start, *KEPT)


async def _lose(place: Place) -> None:
    place.server.ask("FLUSHALL")
    place.server.kill()


async def _pause(place: Place) -> None:
    place.server.pause()


async def _resume(place: Place) -> None:
    place.server.resume()


async def _slow_down(place: Place) -> None:
    place.connection.delay_s = 0.5


async def _speed_up(place: Place) -> None:
    place.connection.delay_s = 0.0


async def _cut(place: Place) -> None:
    place.connection.cut()


async def _mend(place: Place) -> None:
    place.connection.mend()


async def _garble(place: Place) -> None:
    place.connection.garbled = b"HTTP/1.1 400 Bad Request\r\n\r\n"


async def _cut_short(place: Place) -> None:
    place.connection.halves = True


async def _lose_connections(place: Place) -> None:
    place.connection.lose()


async def _speak_again(place: Place) -> None:
    place.connection.mend()


def _told(*commands: str) -> Step:
    async def tell(place: Place) -> None:
        for command in commands:
            assert place.server.ask(command) == b"+OK\r\n", command

    return tell


FAULTS = (
    shared_is_away(
        name="Redis is killed, and started again with its data",
        begin=_kill,
        end=_start,
        recovers=BY_ITSELF,
    ),
    shared_is_away(
        name="Redis is killed, and started again without its data",
        begin=_lose,
        end=_start,
        recovers="the same; what it has lost is forgotten by the index and by sessions too",
        loses=True,
    ),
    shared_is_away(
        name="Redis is stopped (SIGSTOP)",
        begin=_pause,
        end=_resume,
        recovers=BY_ITSELF,
    ),
    shared_is_away(
        name="Redis answers half a second late",
        begin=_slow_down,
        end=_speed_up,
        recovers="a probe finds it quick; it is written to all the time",
    ),
    shared_is_away(
        name="connections to Redis are reset",
        begin=_cut,
        end=_mend,
        recovers=BY_ITSELF,
    ),
    shared_is_away(
        name="connections to Redis are reset in mid-reply",
        begin=_cut_short,
        end=_speak_again,
        recovers=BY_ITSELF,
    ),
    shared_is_away(
        name="connections to Redis go dead without a word",
        begin=_lose_connections,
        recovers="by itself: a probe makes new ones",
    ),
    shared_is_away(
        name="Redis answers garbage",
        begin=_garble,
        end=_speak_again,
        recovers=BY_ITSELF,
    ),
    Fault(
        name="Redis is full (OOM)",
        begin=_told("CONFIG SET maxmemory 1"),
        end=_told("CONFIG SET maxmemory 0"),
        part="shared",
        events=frozenset({"writes_refused"}),
        recovers="the next write is taken; so is what waits",
    ),
    Fault(
        name="Redis has become a replica (READONLY)",
        begin=_told("REPLICAOF 127.0.0.1 1"),
        end=_told("REPLICAOF NO ONE"),
        part="shared",
        events=frozenset({"writes_refused"}),
        recovers="the next write is taken; so is what waits",
    ),
)
