"""Whole conversations before the real embedder, guards and verifier."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.config import Config
from proxy.core.model import Tier
from proxy.library import open_cache
from tests.support.completions import choice_for, completion
from tests.support.origin import ScriptedOrigin
from tests.support.program import Served, Serving, settings

Json = dict[str, Any]
ABOUT = "Plants make sugar out of light."
FIRST = "What is photosynthesis?"
REWORDED = "Explain photosynthesis."
REWRITE: Json = {
    "cache": {"context": "rewrite", "deadline_ms": 10_000},
    "embedder": {"kind": "local"},
}


def talk(*turns: str) -> Json:
    """The user, the assistant, the user, and so on."""
    speakers = ("user", "assistant")
    messages = [{"role": speakers[n % 2], "content": text} for n, text in enumerate(turns)]
    return {"model": "gpt-4o", "messages": messages}


@pytest.fixture
async def rewriting(serving: Serving) -> AsyncIterator[Served]:
    """A proxy that compares earlier turns by meaning."""
    async with serving(**REWRITE) as running:
        yield running


async def test_a_reworded_conversation_is_answered(rewriting: Served) -> None:
    """Other words in every turn, and another first answer: the same question in the end."""
    first = await rewriting.post(talk(FIRST, ABOUT, "where does it happen"))
    got = await rewriting.post(talk(REWORDED, "Light to sugar.", "Where does it take place?"))

    assert (got.cache, got.tier) == ("HIT", "vector")
    assert got.text == first.text


async def test_by_default_it_is_not(semantic: Served) -> None:
    """Unless configured, the earlier turns must be the same; then the last may be reworded."""
    await semantic.post(talk(FIRST, ABOUT, "where does it happen"))
    other = await semantic.post(talk(REWORDED, ABOUT, "where does it happen"))
    same = await semantic.post(talk(FIRST, ABOUT, "Where does it happen?"))

    assert (other.cache, same.cache) == ("MISS", "HIT")


TRAPS = [
    (talk(FIRST, ABOUT, "What are the main challenges?"), "What is artificial intelligence?"),
    (talk("What is DNA?", "A molecule.", "who discovered it"), "What is gravity?"),
    (talk("Explain the causes of inflation", "Money.", "And in Japan?"), "Explain black holes"),
]


@pytest.mark.parametrize(("asked", "other"), TRAPS, ids=lambda found: str(found)[-24:])
@pytest.mark.parametrize("context", ["exact", "rewrite"])
async def test_another_subject_is_another_question(
    serving: Serving, context: str, asked: Json, other: str
) -> None:
    """The same last turn about something else is never answered with the first's answer."""
    _, answer, last = (message["content"] for message in asked["messages"])
    async with serving(cache={"context": context}, embedder={"kind": "local"}) as proxy:
        await proxy.post(asked)
        got = await proxy.post(talk(other, answer, last))

    assert got.cache == "MISS"


@pytest.mark.parametrize("last", ["yes", "Yes, do it", "the second one", "continue", "ok thanks"])
@pytest.mark.parametrize("context", ["exact", "rewrite"])
async def test_replies_are_never_matched(serving: Serving, context: str, last: str) -> None:
    """What means nothing alone is answered in its own conversation only."""
    async with serving(cache={"context": context}, embedder={"kind": "local"}) as proxy:
        await proxy.post(talk("Is it warm in Rome?", "Shall I look it up?", last))
        other = await proxy.post(talk("Is it warm in Oslo?", "Shall I look it up?", last))
        same = await proxy.post(talk("Is it warm in Rome?", "Shall I look it up?", last))

    assert (other.cache, same.cache) == ("MISS", "HIT")


async def test_what_points_at_the_answer_needs_that_answer(rewriting: Served) -> None:
    """The same first answer tells that the same was asked; another one was expanded on."""
    await rewriting.post(talk(FIRST, ABOUT, "Can you expand on that?"))
    other = await rewriting.post(talk(FIRST, "Light to sugar.", "Can you expand on that?"))
    same = await rewriting.post(talk(REWORDED, ABOUT, "Can you expand on that?"))

    assert (other.cache, same.cache) == ("MISS", "HIT")


async def test_what_was_asked_before_is_not_asked_last(rewriting: Served) -> None:
    """The same words with the turns parted elsewhere: an answer to the last alone is no answer."""
    asked, last = "Who discovered it?", "What are its stages?"
    await rewriting.post(talk(f"{FIRST}\n{asked}", ABOUT, last))
    got = await rewriting.post(talk(FIRST, ABOUT, f"{asked} {last}"))

    assert got.cache == "MISS"


async def test_repeats_are_found_by_their_exact_key(
    serving: Serving, origin: ScriptedOrigin
) -> None:
    """The same conversation is answered by the session tier, and after a restart by the shared."""
    asked = talk(FIRST, ABOUT, "where does it happen")
    async with serving(**REWRITE) as proxy:
        tiers = [(await proxy.post(asked)).tier, (await proxy.post(asked)).tier]
    async with serving(**REWRITE) as proxy:
        tiers.append((await proxy.post(asked)).tier)

    assert tiers == [None, "session", "shared"]
    assert origin.calls == 1


async def test_the_library_rewrites_too(tmp_path: Path) -> None:
    """Without HTTP the same conversations meet."""
    config = Config.model_validate(settings("http://127.0.0.1:9/v1", tmp_path, **REWRITE))
    asked = talk(FIRST, ABOUT, "where does it happen")
    async with open_cache(config, io.StringIO()) as cache:
        await cache.store(asked, completion(asked, [choice_for(0, "In leaves.")], 1))
        found = await cache.lookup(talk(REWORDED, ABOUT, "Where does it take place?"))

    assert found is not None
    assert found.tier is Tier.VECTOR
