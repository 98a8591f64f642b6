from typing import Any

import pytest

from proxy.core.admission import Admission
from proxy.core.dialects.chat import Chat
from proxy.core.model import Caller, Directives
from proxy.core.reading import Understood, understand
from tests.core.builders import Json, chat


def understood(body: Json, asked: Directives | None = None, **rules: Any) -> Understood:
    return understand(
        Chat(),
        body,
        caller=Caller("t", "s"),
        asked=asked or Directives(),
        admission=Admission(**rules),
        extra={},
    )


def test_a_plain_request() -> None:
    """What was asked is looked up."""
    found = understood(chat("Why?"))

    assert (found.bypass, found.reason) == (None, "")
    assert found.request.question == "Why?"
    assert found.request.key == found.request.scope.key("Why?")
    assert found.request.directives == Directives()


@pytest.mark.parametrize(
    ("body", "asked", "bypass"),
    [
        (chat(store=True), Directives(), "store"),
        (chat(), Directives(read=False, write=False), "no-store"),
        (chat("Who won today?"), Directives(), "asks about today"),
        (chat(), Directives(read=False), None),
    ],
)
def test_what_goes_past_the_cache(body: Json, asked: Directives, bypass: str | None) -> None:
    """The dialect, the caller or the operator's rules may say so."""
    assert understood(body, asked, time_words=("today",)).bypass == bypass


def test_exact_only_is_narrowed() -> None:
    """What the dialect finds unfit for rewording is not reworded."""
    assert not understood(chat(seed=1)).request.directives.semantic
    assert not understood(chat(tools=[{"type": "function"}])).request.directives.semantic


def test_the_namespace_is_part_of_the_scope() -> None:
    """Two partitions of a tenant never meet."""
    one = understood(chat(), Directives(namespace="a")).request
    two = understood(chat(), Directives(namespace="b")).request

    assert one.key != two.key
