"""`GET /admin/v1/export`: the entries of the shared tier, whole, as lines of JSON.

A reply that ends without its last line was cut short. Where the tier fails half-way the connection
is dropped, so that nobody takes a part for the whole.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from aiohttp import web

from proxy.core import entrylines
from proxy.core.model import Entry
from proxy.errors import ForbiddenError, TierError
from proxy.web.admin.acting import Stream, Told
from proxy.web.admin.asked import Filter, away, once, read
from proxy.web.keys import RUNTIME

CONTENT_TYPE: Final = "application/x-ndjson"


async def handle(request: web.Request) -> Told:
    """All that the query means, in the order of the ids: the same entries are the same bytes.

    Raises:
        ForbiddenError: The operator has not allowed it.
        UnavailableError: The shared tier cannot be reached.
    """
    runtime = request[RUNTIME]
    if not runtime.config.admin.allow_export:
        raise ForbiddenError(
            "An export has everybody's questions and answers: admin.allow_export allows it.",
            code="export_is_off",
        )
    asked = read(lambda: Filter.model_validate(once(request.query)))
    pages = runtime.archive.pages(asked.selector())
    with away():
        first = await anext(pages, None)

    async def write(response: web.StreamResponse) -> None:
        is_whole, count = False, 0
        try:
            async with aclosing(pages):
                await response.write(entrylines.begin())
                async for page in _from(first, pages):
                    await response.write(await asyncio.to_thread(_lines, page))
                    count += len(page)
                await response.write(entrylines.end(count))
            is_whole = True
        except TierError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            runtime.observer.event("entries_exported", count=count, is_whole=is_whole)

    return Told(Stream(CONTENT_TYPE, write), details={"by": _named(asked)})


async def _from(
    first: Sequence[Entry] | None, rest: AsyncGenerator[Sequence[Entry]]
) -> AsyncGenerator[Sequence[Entry]]:
    if first is not None:
        yield first
        async for page in rest:
            yield page


def _lines(page: Sequence[Entry]) -> bytes:
    return b"".join(map(entrylines.written, page))


def _named(asked: Filter) -> str:
    """Which fields chose, for the log."""
    return ",".join(asked.model_dump(exclude_none=True)) or "everything"
