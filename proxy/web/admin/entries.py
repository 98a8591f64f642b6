"""`/admin/v1/entries`: what the shared tier has, in pages; one of them; and its removal."""

from dataclasses import asdict
from typing import Annotated, Self

from aiohttp import web
from pydantic import Field

from proxy.core.cataloguing import Description, mentions
from proxy.errors import BadRequestError, ForbiddenError, NotFoundError
from proxy.runtime import Runtime
from proxy.web.admin.acting import Json, Told
from proxy.web.admin.asked import LEAST_ALIKE, Filter, Invalidation, Word, away, once, read
from proxy.web.admin.forgetting import everywhere
from proxy.web.admin.similar import nearest
from proxy.web.keys import RUNTIME


class Listing(Filter):
    """Which entries shall be listed: all parameters that are given must hold."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """The most entries in one page."""

    cursor: Word | None = None
    """Where to go on: `next_cursor` of the page before."""

    text: Word | None = None
    """Entries that have this in their question, in capitals or not. It needs
    `admin.show_questions`."""

    like: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    """Entries whose question is like this text, the nearest first, in one page."""

    at_least: Annotated[float, Field(ge=LEAST_ALIKE, le=1)] = 0.9
    """How like: the least cosine of the two texts' vectors."""

    def checked(self) -> Self:
        """The same. Raises BadRequestError where two parameters do not go together."""
        if self.like is None and "at_least" in self.model_fields_set:
            raise _contradiction("at_least goes with like.", "at_least")
        if self.like is not None and self.cursor is not None:
            raise _contradiction("What is like a text is told in one page.", "cursor")
        return self

    def means(self, one: Description) -> bool:
        """Whether an entry is meant, however like it is."""
        return (
            self.tenant in (None, one.tenant)
            and self.model in (None, one.model)
            and self.namespace in (None, one.namespace)
            and (self.tag is None or self.tag in one.tags)
            and self.principal in (None, one.principal)
            and (self.text is None or mentions(one.question, self.text))
        )


async def handle_list(request: web.Request) -> Told:
    """A page. It may have fewer entries than the limit, or none, although more follow."""
    runtime = request[RUNTIME]
    asked = read(lambda: Listing.model_validate(once(request.query))).checked()
    if asked.text is not None and not runtime.config.admin.show_questions:
        raise ForbiddenError(
            "Questions are not shown here, nor searched: admin.show_questions is false.",
            param="text",
            code="questions_are_hidden",
        )
    if asked.like is not None:
        return await _like(runtime, asked, asked.like)
    with away():
        page = await runtime.catalogue.page(
            asked.selector(), asked.cursor, asked.limit, text=asked.text
        )
    if page is None:
        raise BadRequestError(
            "cursor is not one of this list's.", param="cursor", code="invalid_cursor"
        )
    with_question = runtime.config.admin.show_questions
    body = {
        "object": "list",
        "data": [_told(one, with_question=with_question) for one in page.items],
        "next_cursor": page.cursor,
    }
    return Told(body, len(page.items))


async def _like(runtime: Runtime, asked: Listing, text: str) -> Told:
    narrows = {"tenant", "model", "namespace", "tag", "text"} & asked.model_fields_set
    found = await nearest(
        runtime, text, asked.at_least, asked.limit, meant=asked.means if narrows else None
    )
    with_question = runtime.config.admin.show_questions
    data = [
        {**_told(one, with_question=with_question), "similarity": similarity}
        for one, similarity in found
    ]
    return Told({"object": "list", "data": data, "next_cursor": None}, len(found))


async def handle_one(request: web.Request) -> Told:
    """One entry."""
    runtime = request[RUNTIME]
    entry_id = request.match_info["id"]
    with away():
        found = await runtime.catalogue.find(entry_id)
    if found is None:
        raise _unknown(entry_id)
    return Told(_told(found, with_question=runtime.config.admin.show_questions), 1)


async def handle_delete(request: web.Request) -> Told:
    """Forget one entry everywhere, a private one too, of which no list tells."""
    entry_id = request.match_info["id"]
    asked = read(lambda: Invalidation(ids=(entry_id,)))
    done = await everywhere(request, asked)
    if not (done.purged.ids or done.purged.held):
        raise _unknown(entry_id)
    body = {
        "object": "cache.entry.deleted",
        "id": entry_id,
        "deleted": True,
        "unreached_workers": done.unreached,
    }
    return Told(body, 1)


def _told(one: Description, *, with_question: bool) -> Json:
    """JSON has no infinity: a time that never comes is null."""
    told = {"object": "cache.entry", **asdict(one)}
    for name in ("expires_at", "kept_until"):
        told[name] = None if told[name] == float("inf") else told[name]
    if not with_question:
        del told["question"]
    return told


def _contradiction(message: str, param: str) -> BadRequestError:
    return BadRequestError(message, param=param, code="invalid_selector")


def _unknown(entry_id: str) -> NotFoundError:
    return NotFoundError(f"There is no entry {entry_id}.", param="id", code="unknown_entry")
