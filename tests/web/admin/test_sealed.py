"""What operators ask of a cache whose entries are sealed is answered as of any other."""

import base64
import io
from pathlib import Path
from typing import Any

from proxy.core.credentials import digest_of
from proxy.resilience import Deadline
from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Json, Served, chat, served, settings
from tests.support.waiting import PATIENCE_S
from tests.web.admin.calling import ADMIN, call, invalidate

PASSWORD, MOON = "How do I reset my password?", "How far away is the moon?"
REWORDED = "how do I reset my PASSWORD"


def sealed(origin: ScriptedOrigin, directory: Path, key: bytes) -> Json:
    keys = [{"id": key.decode(), "key": base64.b64encode(key * 32).decode()}]
    return settings(
        origin.url,
        directory,
        admin={**ADMIN, "allow_export": True, "show_questions": True},
        cache={"encryption": {"keys": keys}},
        embedder={"kind": "local"},
    )


async def listed(proxy: Served, **query: str) -> list[str]:
    """The questions of the entries that are meant."""
    await proxy.runtime.store.idle(Deadline(PATIENCE_S))
    await proxy.runtime.upkeep.catch_up()
    got = await call(proxy, "GET", "/admin/v1/entries", params=query)
    return sorted(one["question"] for one in got.json["data"])


async def explained(proxy: Served, question: str) -> Any:
    tenant = digest_of({"authorization": f"Bearer {KEY}"})
    asked = {"question": question, "model": "gpt-4o", "tenant": tenant}
    return (await call(proxy, "POST", "/admin/v1/explain", json=asked)).json


async def test_operators_see_what_is_sealed(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Lists, searches by text and likeness, explanations, exports, imports and purges by likeness.

    What is exported under one key is imported under another.
    """
    async with served(sealed(origin, tmp_path / "one", b"a"), may_block=True) as one:
        for question in (PASSWORD, MOON):
            await one.post(chat(question))
        assert await listed(one) == [PASSWORD, MOON]
        assert await listed(one, text="PASSWORD") == [PASSWORD]
        assert await listed(one, like=REWORDED, at_least="0.8") == [PASSWORD]
        assert PASSWORD in str(await explained(one, REWORDED))
        exported = await call(one, "GET", "/admin/v1/export")
    async with served(sealed(origin, tmp_path / "other", b"b"), may_block=True) as other:
        imported = await call(other, "POST", "/admin/v1/import", data=io.BytesIO(exported.body))
        assert imported.json["imported"] == 2
        assert await listed(other) == [PASSWORD, MOON]
        reworded = await other.post(chat(REWORDED))
        assert (reworded.cache, reworded.tier) == ("HIT", "vector")
        assert (await invalidate(other, like=REWORDED, at_least=0.8)).status == 200
        assert await listed(other) == [MOON]
        assert (await other.post(chat(PASSWORD))).cache == "MISS"
        assert other.events("entry_unreadable") == []
