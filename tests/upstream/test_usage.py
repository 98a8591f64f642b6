"""Streams are asked for usage, unless that is what their origin refuses."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.errors import UnreachableError
from proxy.ports import OriginReply, OriginRequest
from proxy.upstream.usage import AskedForUsage
from tests.support.ports import Feed, Heard

ASK = OriginRequest("POST", "/x", (("a", "b"),), b"own", b"more")


class Both:
    """An origin that answers each call with the next of its replies."""

    def __init__(self, *replies: Feed) -> None:
        self._replies = list(replies)
        self.bodies: list[Any] = []

    async def send(self, request: OriginRequest) -> OriginReply:
        self.bodies.append(request.body)
        return await self._replies.pop(0).send(request)


def asked(origin: Both | Feed, heard: Heard | None = None) -> AskedForUsage:
    return AskedForUsage(origin, name="o", observer=heard or Heard())


async def test_usage_is_asked_for() -> None:
    """The body with the question for usage goes out, with the caller's headers."""
    origin = Both(Feed())
    await asked(origin).send(ASK)

    assert origin.bodies == [b"more"]


async def test_there_may_be_nothing_to_ask() -> None:
    """Then the caller's own body goes out."""
    origin = Both(Feed())
    await asked(origin).send(replace(ASK, with_usage=None))

    assert origin.bodies == [b"own"]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refusal_of_the_question_is_nobodys_answer(status: int) -> None:
    """The caller's own body is sent then, the refusal is closed, and it is not asked again."""
    refusal, answer = Feed(status), Feed()
    origin, heard = Both(refusal, answer, Feed()), Heard()
    asking = asked(origin, heard)
    reply = await asking.send(ASK)
    await asking.send(ASK)

    assert reply is answer
    assert origin.bodies == [b"more", b"own", b"own"]
    assert refusal.is_closed
    assert heard.events == [("usage_refused", {"upstream": "o"})]


async def test_what_is_refused_either_way_says_nothing_of_usage() -> None:
    """The next one is asked for it again."""
    origin = Both(Feed(400), Feed(400), Feed())
    asking = asked(origin)
    await asking.send(ASK)
    await asking.send(ASK)

    assert origin.bodies == [b"more", b"own", b"more"]


@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_other_errors_are_the_answer(status: int) -> None:
    """They have nothing to do with the question for usage."""
    reply = await asked(Both(Feed(status))).send(ASK)

    assert reply.status == status


async def test_an_origin_out_of_reach_is_not_asked_again() -> None:
    """Its error passes."""
    with pytest.raises(UnreachableError):
        await asked(Feed(error=UnreachableError("no"))).send(ASK)
