"""Whatever differs between two requests, neither gets the other's answer, from no tier.

The two ask the same, in capitals or not, which is one question to the index: only the scope keeps
them apart. The one is asked until the quickest way knows it, then the other.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.core import credentials
from proxy.resilience import Deadline
from proxy.web.callers import KEYED
from tests.support.origin import ScriptedOrigin
from tests.support.program import Got, Json, Served, Serving
from tests.support.waiting import PATIENCE_S

QUESTION = "What is a write-back cache?"
TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
OTHER_TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hey"}]
TOOL = {"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}}
SERIAL = count()
"""Namespaces: each example begins with an empty one."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one aspect adds to a request."""

    before: tuple[Json, ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


def header(name: str) -> tuple[Part, ...]:
    return Part(), Part(headers={name: "one"}), Part(headers={name: "two"})


def parameter(name: str, *values: object) -> tuple[Part, ...]:
    return Part(), *(Part(body={name: value}) for value in values)


def message(role: str) -> tuple[Part, ...]:
    said = ({"role": role, "content": text} for text in ("Be brief.", "Be brief!"))
    return Part(), *(Part(before=(one,)) for one in said)


HEADERS = (*credentials.KEYS, *credentials.ACCOUNTS, *KEYED, "x-goog-api-key", "helicone-auth")
ASPECTS: dict[str, tuple[Part, ...]] = {
    **{name: header(name) for name in HEADERS},
    "query": (Part(), Part(query="?api-version=1"), Part(query="?api-version=2")),
    "model": (Part(body={"model": "gpt-4o"}), Part(body={"model": "gpt-4o-mini"})),
    "system": message("system"),
    "developer": message("developer"),
    "turns": (Part(), Part(before=tuple(TURNS)), Part(before=tuple(OTHER_TURNS))),
    "temperature": parameter("temperature", 0, 0.5),
    "top_p": parameter("top_p", 0.1, 0.2),
    "stop": parameter("stop", "a", ["a", "b"]),
    "max_tokens": parameter("max_tokens", 10, 20),
    "max_completion_tokens": parameter("max_completion_tokens", 10, 20),
    "response_format": parameter("response_format", {"type": "text"}, {"type": "json_object"}),
    "penalty": parameter("presence_penalty", 0.1, 0.2),
    "bias": parameter("logit_bias", {"1": 1}, {"1": 2}),
    "effort": parameter("reasoning_effort", "low", "high"),
    "verbosity": parameter("verbosity", "low", "high"),
    "tools": parameter("tools", [TOOL], [TOOL, TOOL]),
    "unknown": parameter("guidance_scale", 2, 3, "3", [3], {"a": 3}),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: which part of each aspect it has."""

    chosen: Mapping[str, int]
    namespace: str

    async def by(self, proxy: Served, text: str) -> Got:
        """Ask it, and wait until the answer is kept."""
        body: Json = {"model": "m", "messages": []}
        headers = {"authorization": "Bearer sk", "x-cache-namespace": self.namespace}
        query = ""
        for name, at in self.chosen.items():
            part = ASPECTS[name][at]
            body |= part.body
            body["messages"] = [*body["messages"], *part.before]
            headers |= part.headers
            query = part.query or query
        body["messages"] = [*body["messages"], {"role": "user", "content": text}]
        url = f"{proxy.url}/chat/completions{query}"
        async with proxy.http.post(url, json=body, headers=headers) as got:
            answered = Got(got.status, got.headers, await got.read())
        await proxy.runtime.store.idle(Deadline(PATIENCE_S))
        return answered


OF_A_CALLER = {*credentials.KEYS, *credentials.ACCOUNTS, "x-goog-api-key", "helicone-auth"}
SHARED = sorted(set(ASPECTS) - OF_A_CALLER)
"""What keeps requests apart though all callers share answers."""


@st.composite
def differing(
    draw: st.DrawFn, names: Sequence[str] = sorted(ASPECTS)
) -> tuple[dict[str, int], str, int]:
    """What a request has, an aspect, and what another request has of that."""
    chosen = {
        name: draw(st.integers(0, len(ASPECTS[name]) - 1))
        for name in draw(st.lists(st.sampled_from(sorted(ASPECTS)), max_size=4, unique=True))
    }
    name = draw(st.sampled_from(names))
    known = chosen.setdefault(name, 0)
    other = draw(st.sampled_from([at for at in range(len(ASPECTS[name])) if at != known]))
    return chosen, name, other


def found(got: Got) -> str | None:
    """Which tier answered; None for the origin."""
    return got.tier if got.cache == "HIT" else None


async def crossed(
    proxy: Served, origin: ScriptedOrigin, what: tuple[dict[str, int], str, int], text: str
) -> bool:
    """Whether a request that differs so gets the answer of one that all tiers and the lane know."""
    chosen, name, other = what
    one = Asked(chosen, f"n{next(SERIAL)}")
    another = Asked({**chosen, name: other}, one.namespace)
    first, *again = [await one.by(proxy, QUESTION) for _ in range(3)]
    assert found(first) is None
    assert [found(got) for got in again] == ["session"] * 2
    calls = origin.calls
    return found(await another.by(proxy, text)) is not None or origin.calls == calls


EITHER = st.sampled_from([QUESTION, QUESTION.upper()])


@given(what=differing(), text=EITHER)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_one_difference_is_enough(
    semantic: Served, origin: ScriptedOrigin, what: tuple[dict[str, int], str, int], text: str
) -> None:
    """Who differs in anything that is not the question's wording has the origin asked for him."""
    assert not await crossed(semantic, origin, what, text)


@pytest.fixture
async def shared(serving: Serving) -> AsyncIterator[Served]:
    """A proxy with all tiers, whose callers share answers."""
    async with serving(cache={"tenancy": "shared"}, embedder={"kind": "local"}) as running:
        yield running


@given(what=differing(SHARED), text=EITHER)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_one_difference_is_enough_where_all_share(
    shared: Served, origin: ScriptedOrigin, what: tuple[dict[str, int], str, int], text: str
) -> None:
    """Whoever asks: only who asks the same of the same model in the same way gets the answer."""
    assert not await crossed(shared, origin, what, text)


@pytest.mark.parametrize("named", [(), ("X-Router-Config",)])
async def test_a_header_that_the_operator_names(
    serving: Serving, origin: ScriptedOrigin, named: tuple[str, ...]
) -> None:
    """It keeps requests apart; one that nobody names is passed on and does not."""
    body = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
    async with serving(cache={"tenancy": "shared", "key_headers": list(named)}) as proxy:
        got = [await proxy.post(body, x_router_config=value) for value in ("a", "b", "a")]

    assert [found(one) is not None for one in got] == [False, not named, True]
    assert origin.requests[0].header("x-router-config") == "a"


async def test_the_same_but_for_its_wording_is_found(semantic: Served) -> None:
    """What the tests here forbid is what happens where nothing differs: by the lane, by meaning."""
    one = Asked({"system": 1, "temperature": 2}, "plain")
    quick = [found(await one.by(semantic, QUESTION)) for _ in range(3)]
    reworded = await one.by(semantic, QUESTION.upper())

    assert quick == [None, "session", "session"]
    assert semantic.lane.answered == 1
    assert found(reworded) == "vector"


async def test_namespaces_are_apart(semantic: Served) -> None:
    """In no tier one finds what the other has."""
    one, other = Asked({}, "one"), Asked({}, "other")
    for _ in range(3):
        await one.by(semantic, QUESTION)

    assert found(await other.by(semantic, QUESTION.upper())) is None
    assert found(await other.by(semantic, QUESTION)) == "vector"  # its own, just asked for


@pytest.mark.parametrize("text", [QUESTION, QUESTION.upper()])
async def test_a_private_answer_stays_in_its_session(semantic: Served, text: str) -> None:
    """No other session of the same caller gets it, nor does one without a name."""

    async def ask(session: str, text: str) -> str | None:
        headers = {"x_session_id": session} if session else {}
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        return found(await semantic.post(body, cache_control="private", **headers))

    assert [await ask("a", QUESTION) for _ in range(3)] == [None, "session", "session"]
    assert [await ask(session, text) for session in ("b", "")] == [None, None]
    assert (await semantic.runtime.catalogue.count()) == 0


async def test_paths_are_apart(semantic: Served, origin: ScriptedOrigin) -> None:
    """One text is three questions where three APIs are asked it."""
    asked: list[tuple[str, Json]] = [
        ("/completions", {"model": "m", "prompt": QUESTION}),
        ("/responses", {"model": "m", "input": QUESTION, "store": False}),
        ("/chat/completions", {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}),
    ]
    got = [await semantic.post(body, to=path) for path, body in asked]

    assert ([found(one) for one in got], origin.calls) == ([None] * 3, 3)


@pytest.mark.parametrize("trusted", [None, "x-tenant"])
async def test_nobody_names_his_tenant_himself(serving: Serving, trusted: str | None) -> None:
    """A header that says whose answers one wants counts only where the operator trusts a front."""
    async with serving(server={"trusted_tenant_header": trusted}) as proxy:
        body = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
        await proxy.post(body, key="sk-ann", x_tenant="ann")
        stolen = await proxy.post(body, key="sk-mallory", x_tenant="ann")

    assert (found(stolen) is not None) == (trusted is not None)
