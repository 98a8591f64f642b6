"""`cache.store_questions: false`: answers are stored, and what was asked is not."""

from pathlib import Path

from proxy.core.changes import ALL_TENANTS, Selector
from tests.support.origin import ScriptedOrigin
from tests.support.program import Served, chat, served, settings

QUESTION, REWORDED = "How do I reset my password?", "how do I reset my PASSWORD"


async def answered(proxy: Served, text: str) -> tuple[str | None, str | None]:
    """How it answers this question, once it has read the change log."""
    await proxy.runtime.upkeep.catch_up()
    got = await proxy.post(chat(text))
    return got.cache, got.tier


async def listed(proxy: Served) -> list[str]:
    """The questions of all entries, as far as this process knows them."""
    page = await proxy.runtime.catalogue.page(Selector(ALL_TENANTS, everything=True), None, 9)
    assert page is not None
    return [one.question for one in page.items]


async def test_who_asked_answers_reworded_questions(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Others, and he himself after a restart, answer repeats alone.

    Where a text is not known no pair is judged: the answer may be one to another question.
    """
    config = settings(
        origin.url, tmp_path, cache={"store_questions": False}, embedder={"kind": "local"}
    )
    async with (
        served(config, may_block=True) as one,
        served(config, may_block=True) as other,
    ):
        assert await answered(one, QUESTION) == ("MISS", None)
        assert await answered(one, REWORDED) == ("HIT", "vector")
        assert await answered(other, REWORDED) == ("MISS", None)
        assert await answered(other, QUESTION) == ("HIT", "shared")
        assert await listed(one) == [QUESTION, ""]
    async with served(config, may_block=True) as again:
        assert await listed(again) == ["", ""]
        assert await answered(again, QUESTION) == ("HIT", "shared")
        assert await answered(again, QUESTION.replace("reset", "change")) == ("MISS", None)
