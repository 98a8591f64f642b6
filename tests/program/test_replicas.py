"""Two processes over one shared tier."""

from pathlib import Path

import aiohttp

from tests.support.origin import ScriptedOrigin
from tests.support.program import KEY, Process, async_sdk, merged, process, settings
from tests.support.waiting import until_async

QUESTION, REWORDED = "How do I reset my password?", "how do I reset my PASSWORD"


async def ask(running: Process, text: str) -> dict[str, str]:
    async with async_sdk(running.url) as sdk:
        raw = await sdk.chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": text}]
        )
        return dict(raw.headers)


async def test_a_bad_hit_is_removed_everywhere(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Told to one process, the entry leaves the session tier of the other."""
    base = settings(origin.url, tmp_path, embedder={"kind": "local"})
    configs = [
        merged(
            base,
            {
                "cache": {
                    "vector": {"snapshot": f"{tmp_path}/{name}.snapshot"},
                    "judgement": {"labels": f"{tmp_path}/{name}.labels"},
                }
            },
        )
        for name in ("one", "other")
    ]
    with process(configs[0], tmp_path, "one") as one, process(configs[1], tmp_path, "other") as two:
        await ask(one, QUESTION)
        bad = await ask(one, REWORDED)
        assert (await ask(two, QUESTION))["x-cache"] == "HIT"
        assert (await ask(two, QUESTION))["x-cache-tier"] == "session"
        verdict = {"request_id": bad["x-request-id"], "verdict": "bad"}
        headers = {"authorization": f"Bearer {KEY}"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{one.url}/cache/feedback", json=verdict, headers=headers) as got,
        ):
            assert (await got.json())["removed"]

        async def is_gone() -> bool:
            return (await ask(two, QUESTION))["x-cache"] == "MISS"

        await until_async(is_gone, "the removal in the other process")
