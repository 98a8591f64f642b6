"""An origin whose streams are asked to tell their usage.

One entry serves streaming callers and others, and only others are sure to be told usage. An origin
that does not know `stream_options` refuses the request; it then gets the caller's own, and is not
asked again. What one origin refuses says nothing of another.
"""

from dataclasses import replace
from typing import Final

from proxy.ports import Observer, Origin, OriginReply, OriginRequest

REFUSALS: Final = frozenset({400, 422})
"""How an origin refuses a parameter that it does not know."""


class AskedForUsage:
    """An `Origin` that is sent the body that asks for usage, where there is one.

    Args:
        origin: Which is asked.
        name: Its name, for `usage_refused`.
        observer: Hears that event, once.
    """

    def __init__(self, origin: Origin, *, name: str, observer: Observer) -> None:
        self._origin = origin
        self._name = name
        self._observer = observer
        self._has_refused = False

    async def send(self, request: OriginRequest) -> OriginReply:
        """Ask with usage; if that is refused, as the caller did."""
        if request.with_usage is None or self._has_refused:
            return await self._origin.send(request)
        reply = await self._origin.send(replace(request, body=request.with_usage))
        if reply.status not in REFUSALS:
            return reply
        await reply.close()
        reply = await self._origin.send(request)
        if reply.status < min(REFUSALS):  # it was the question for usage, and nothing else
            self._has_refused = True
            self._observer.event("usage_refused", upstream=self._name)
        return reply
