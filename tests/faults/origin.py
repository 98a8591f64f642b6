"""What the origin can do."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.faults.fault import Fault, OriginFault, Step
from tests.faults.place import Place
from tests.support.origin import Act, Gate

HTML: Final = b"<html><body>Bad gateway</body></html>"
REFUSAL: Final = json.dumps(
    {"error": {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit"}}
).encode()
TORN: Final = b'{"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"index": 0, "mess'
EMPTY: Final = b'{"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": []}'
HUGE: Final = b'{"choices": [{"message": {"content": "' + b"x" * (3 << 20) + b'"}}]}'
MEDIA: Final = {"content-type": "application/json"}


def _acts(**act: Any) -> Step:
    async def begin(place: Place) -> None:
        place.origin.always = Act(**act)

    return begin


async def _recover(place: Place) -> None:
    place.origin.always = Act()


async def _fall_silent(place: Place) -> None:
    place.gate = Gate()
    place.origin.always = Act(before=place.gate)


async def _fall_silent_in_between(place: Place) -> None:
    place.gate = Gate()
    place.origin.always = Act(gates={1: place.gate}, sse=True)


async def _speak_again(place: Place) -> None:
    place.origin.always = Act()
    assert place.gate is not None
    place.gate.open()


async def _cut(place: Place) -> None:
    place.connection.cut()


async def _mend(place: Place) -> None:
    place.connection.mend()


async def _refuse(place: Place) -> None:
    place.connection.refuse()


async def _listen(place: Place) -> None:
    await place.connection.listen()


def _says(
    name: str,
    status: int,
    body: bytes,
    headers: Mapping[str, str] = MEDIA,
    *,
    is_answer: bool = False,
) -> OriginFault:
    """A whole answer of its own, which passes as it is."""
    return OriginFault(
        name=f"the origin {name}",
        begin=_acts(status=status, body=body, headers=tuple(headers.items())),
        end=_recover,
        says=f"the same: {status}",
        statuses=frozenset({status}),
        body=body,
        restated=is_answer,
    )


FAULTS = (
    OriginFault(
        name="the origin refuses connections",
        begin=_refuse,
        end=_listen,
        says="502 `upstream_unreachable`",
        statuses=frozenset({502}),
        codes=frozenset({"upstream_unreachable"}),
    ),
    OriginFault(
        name="the origin closes connections without an answer",
        begin=_cut,
        end=_mend,
        says="502 `upstream_unreachable`",
        statuses=frozenset({502}),
        codes=frozenset({"upstream_unreachable"}),
    ),
    OriginFault(
        name="the origin does not answer",
        begin=_fall_silent,
        end=_speak_again,
        says="504 `upstream_timeout`, after `upstream.first_byte_timeout_s`",
        statuses=frozenset({504}),
        codes=frozenset({"upstream_timeout"}),
    ),
    OriginFault(
        name="the origin falls silent in mid-stream",
        begin=_fall_silent_in_between,
        end=_speak_again,
        says="a stream that breaks off, or 502 `upstream_broken`, after `upstream.idle_timeout_s`",
        statuses=frozenset({502}),
        codes=frozenset({"upstream_broken"}),
        cuts=True,
    ),
    OriginFault(
        name="the origin resets the connection in mid-stream",
        begin=_acts(break_at=3, sse=True, pause_s=0.01),
        end=_recover,
        says="a stream that breaks off, or 502 `upstream_broken`",
        statuses=frozenset({502}),
        codes=frozenset({"upstream_broken"}),
        cuts=True,
    ),
    OriginFault(
        name="the origin ends streams without their end marker",
        begin=_acts(done=False, sse=True),
        end=_recover,
        says="a stream that breaks off, or 502 `upstream_broken`",
        statuses=frozenset({502}),
        codes=frozenset({"upstream_broken"}),
        cuts=True,
    ),
    OriginFault(
        name="the origin sends less than its `content-length`",
        begin=_acts(
            pieces=(TORN, b""),
            break_at=1,
            pause_s=0.01,
            headers=(*MEDIA.items(), ("content-length", "5000")),
        ),
        end=_recover,
        says="502 `upstream_broken`",
        statuses=frozenset({502}),
        codes=frozenset({"upstream_broken"}),
    ),
    _says("sends torn JSON", 200, TORN),
    _says("sends an answer without choices", 200, EMPTY, is_answer=True),
    _says("sends HTML with status 200", 200, HTML, {"content-type": "text/html"}),
    _says("sends HTML with status 502", 502, HTML, {"content-type": "text/html"}),
    _says("answers 500", 500, REFUSAL),
    _says("answers 429 to all", 429, REFUSAL, {**MEDIA, "retry-after": "1"}),
    _says("sends nothing with status 200", 200, b""),
    _says("sends 3 MiB", 200, HUGE),
)
SLOW = (
    Fault(
        name="the origin sends its answers drop by drop",
        begin=_acts(split=60, pause_s=0.01),
        end=_recover,
        recovers="the right answer, as it comes",
    ),
)
