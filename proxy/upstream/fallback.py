"""Origins asked in turn until one answers.

Only what has not begun can be asked elsewhere: the first byte decides. An origin that says
`retry-after` is left alone for so long (RFC 9110, 10.2.3), unless nobody else answers. Where all
fail, the caller hears of the failure of the first: the one it knows.
"""

from collections.abc import AsyncGenerator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from email.utils import mktime_tz, parsedate_tz
from typing import Final

from proxy.core.canonical import dumps, loads
from proxy.core.credentials import is_personal
from proxy.core.recording import SUBSTITUTE
from proxy.errors import ApiError, UnreachableError, UpstreamTimeoutError
from proxy.ports import Clock, Observer, Origin, OriginReply, OriginRequest

FIRST_ERROR: Final = 400
TOO_MANY: Final = 429
FIRST_SERVER_ERROR: Final = 500
LONGEST_REST_S: Final = 600.0
"""An origin is not left alone for longer, whatever it asks for."""

GIVEN_UP: Final = ("x-should-retry", "false")
"""Tells the SDK that others were asked already: its retries would multiply with ours."""


@dataclass(frozen=True, slots=True)
class Link:
    """One origin of a chain.

    Attributes:
        name: For events; and under it is known how long it wants to be left alone.
        origin: Asked as the caller asked, but for the model.
        send_model: Named in place of the caller's; None leaves it.
    """

    name: str
    origin: Origin
    send_model: str | None = None


class Chain:
    """An `Origin` that is several.

    Args:
        links: The first is the one meant; the others stand in for it.
        rests: Until when each origin has asked to be left alone, by its name; chains share it.
        clock: The time now.
        observer: Hears `upstream_failed` each time another origin has to be asked.
    """

    def __init__(
        self,
        links: Sequence[Link],
        rests: MutableMapping[str, float],
        *,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._links = links
        self._rests = rests
        self._clock = clock
        self._observer = observer

    async def send(self, request: OriginRequest) -> OriginReply:
        """Ask; returns the first answer that is no failure, else the failure of the first origin.

        Raises UnreachableError or UpstreamTimeoutError where that was no answer at all.
        """
        # What comes piece by piece can be sent once.
        links = self._in_turn() if isinstance(request.body, bytes) else self._links[:1]
        failed: OriginReply | ApiError = UnreachableError("no origin was asked")
        try:
            for number, link in enumerate(links):
                if number:
                    before = links[number - 1].name
                    self._observer.event("upstream_failed", upstream=before, instead=link.name)
                found = await self._ask(link, request)
                if not isinstance(found, ApiError) and self._has_answered(link, found.status):
                    await _close(failed)
                    return self._told(link, found)
                if link is self._links[0]:
                    failed = found
                else:
                    await _close(found)
        except BaseException:
            await _close(failed)
            raise
        if isinstance(failed, ApiError):
            raise failed
        return _Told(failed, (*failed.headers, GIVEN_UP)) if len(links) > 1 else failed

    def _in_turn(self) -> Sequence[Link]:
        """Who is asked. Of those who rest only the first is, when all others have failed."""
        now, first = self._clock(), self._links[0]
        ready = [one for one in self._links if self._rests.get(one.name, 0.0) <= now]
        if not ready:
            return self._links
        return ready if first in ready else [*ready, first]

    def _has_answered(self, link: Link, status: int) -> bool:
        """Whether a reply is the caller's answer.

        Of one that stands in only a success is: it may lack the key, the model, a parameter, or
        what the caller's own origin remembers. Told so, the caller would take the fault for his.
        """
        if link is self._links[0]:
            return not _is_failure(status)
        return status < FIRST_ERROR

    async def _ask(self, link: Link, request: OriginRequest) -> OriginReply | ApiError:
        try:
            reply = await link.origin.send(self._asked(link, request))
        except (UnreachableError, UpstreamTimeoutError) as error:
            return error
        now = self._clock()
        if _is_failure(reply.status) and (rest_s := _rest_s(reply, now)) > 0:
            self._rests[link.name] = now + min(rest_s, LONGEST_REST_S)
        return reply

    def _asked(self, link: Link, request: OriginRequest) -> OriginRequest:
        is_other = link is not self._links[0]
        headers = [p for p in request.headers if not (is_other and is_personal(p[0]))]
        body, with_usage = request.body, request.with_usage
        if link.send_model is not None and isinstance(body, bytes):
            body = _naming(link.send_model, body)
            if with_usage is not None:
                with_usage = _naming(link.send_model, with_usage)
            headers = [pair for pair in headers if pair[0] != "content-length"]
        return replace(request, headers=headers, body=body, with_usage=with_usage)

    def _told(self, link: Link, reply: OriginReply) -> OriginReply:
        if link is self._links[0] or link.send_model is None:
            return reply
        return _Told(reply, (*reply.headers, (SUBSTITUTE, link.name)))


def _naming(model: str, body: bytes) -> bytes:
    """The body with this model; one that is no JSON object, such as a compressed one, as it is."""
    try:
        parsed = loads(body, lenient=True)
    except ValueError:
        return body
    return dumps({**parsed, "model": model}) if isinstance(parsed, dict) else body


async def _close(failed: OriginReply | ApiError) -> None:
    if not isinstance(failed, ApiError):
        await failed.close()


@dataclass(frozen=True, slots=True)
class _Told:
    """A reply with further headers."""

    reply: OriginReply
    headers: Sequence[tuple[str, str]]

    @property
    def status(self) -> int:
        """The reply's."""
        return self.reply.status

    def chunks(self) -> AsyncGenerator[bytes]:
        """The reply's."""
        return self.reply.chunks()

    async def close(self) -> None:
        """Close the reply."""
        await self.reply.close()


def _is_failure(status: int) -> bool:
    return status == TOO_MANY or status >= FIRST_SERVER_ERROR


def _rest_s(reply: OriginReply, now: float) -> float:
    """Seconds for which the origin asks to be left alone; 0 when it does not say, or not so."""
    told = dict(reply.headers)
    try:
        if (ms := told.get("retry-after-ms")) is not None:
            return float(ms) / 1000
        value = told.get("retry-after", "0")
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        date = parsedate_tz(value)
        return mktime_tz(date) - now if date is not None else 0.0
    except (ValueError, OverflowError):
        return 0.0
