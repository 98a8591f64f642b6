"""`/admin/v1/entries`: what the shared tier has, in pages; one of them; and its removal."""

from dataclasses import asdict
from typing import Annotated

from aiohttp import web
from pydantic import Field

from proxy.core.cataloguing import Description
from proxy.core.changes import ALL_TENANTS, Selector
from proxy.errors import BadRequestError, NotFoundError
from proxy.web.admin.acting import Json, Told
from proxy.web.admin.asked import Asked, Invalidation, Tenant, Word, away, read
from proxy.web.admin.forgetting import everywhere
from proxy.web.keys import RUNTIME


class Listing(Asked):
    """Which entries shall be listed: all parameters that are given must hold."""

    tenant: Tenant | None = None
    """Only this tenant's, by the digest that log lines and entries have; without it everybody's."""

    model: Word | None = None
    """Asked of this model."""

    namespace: Annotated[str, Field(max_length=256)] | None = None
    """Of this namespace; an empty one is that of requests that name none."""

    tag: Word | None = None
    """Entries that carry this tag."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """The most entries in one page."""

    cursor: Word | None = None
    """Where to go on: `next_cursor` of the page before."""

    def selector(self) -> Selector:
        """The same for the tiers."""
        return Selector(
            tenant=self.tenant or ALL_TENANTS,
            tags=(self.tag,) if self.tag else (),
            model=self.model,
            namespace=self.namespace,
            everything=True,
        )


async def handle_list(request: web.Request) -> Told:
    """A page. It may have fewer entries than the limit, or none, although more follow."""
    runtime = request.app[RUNTIME]
    asked = read(lambda: Listing.model_validate(_once(request)))
    with away():
        page = await runtime.catalogue.page(asked.selector(), asked.cursor, asked.limit)
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


async def handle_one(request: web.Request) -> Told:
    """One entry."""
    runtime = request.app[RUNTIME]
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
    if not done.ids and not done.held:
        raise _unknown(entry_id)
    body = {
        "object": "cache.entry.deleted",
        "id": entry_id,
        "deleted": True,
        "unreached_workers": done.unreached,
    }
    return Told(body, 1)


def _once(request: web.Request) -> dict[str, str]:
    """The query. Raises BadRequestError for a parameter that is given twice: one would be lost."""
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise BadRequestError(f"{name} is given twice.", param=name, code="invalid_selector")
    return dict(request.query)


def _told(one: Description, *, with_question: bool) -> Json:
    """JSON has no infinity: a time that never comes is null."""
    told = {"object": "cache.entry", **asdict(one)}
    for name in ("expires_at", "kept_until"):
        told[name] = None if told[name] == float("inf") else told[name]
    if not with_question:
        del told["question"]
    return told


def _unknown(entry_id: str) -> NotFoundError:
    return NotFoundError(f"There is no entry {entry_id}.", param="id", code="unknown_entry")
