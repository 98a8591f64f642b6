"""The cache without HTTP: whole, then each of its parts alone.

python examples/library.py
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from proxy.config import Config
from proxy.core.judgement.base import judge, read
from proxy.core.model import Answer, Caller, Entry
from proxy.embedding.onnx import OnnxEmbedder
from proxy.library import Cache, open_cache
from proxy.tiers.faiss import FaissTier
from proxy.tiers.session import MemoryTier
from proxy.tiers.sqlite import SqliteTier
from proxy.verifying.onnx import OnnxVerifier

QUESTION = "How do I reset my password?"
REWORDED = "How can I reset my password?"
OTHER = "How do I delete my account?"


def heard(name: str, **fields: object) -> None:
    """A tier says here what it noticed on its own, such as an entry that cannot be read."""
    print(name, fields)


async def model(request: dict[str, Any]) -> dict[str, Any]:
    """Yours to replace, for one by `(await client.chat.completions.create(...)).to_dict()`."""
    text = f"generated for {request['messages'][-1]['content']!r}"
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


async def ask(cache: Cache, question: str) -> None:
    request = {"model": "demo", "messages": [{"role": "user", "content": question}]}
    found = await cache.ask(request, model)
    text, outcome = found.answer["choices"][0]["message"]["content"], found.outcome
    print(f"{outcome.result} {outcome.tier or '-'}: {question} -> {text}")


async def whole(folder: Path) -> None:
    print("# The whole cache")
    config = Config.model_validate(
        {
            "cache": {
                "shared": {"url": f"sqlite:///{(folder / 'entries.db').as_posix()}"},
                "vector": {"snapshot": folder / "index.snapshot"},
            },
            "telemetry": {"log_level": "warning", "count_tokens": False},
        }
    )
    async with open_cache(config) as cache:
        await ask(cache, QUESTION)  # generated on a miss
        await ask(cache, QUESTION)  # the session tier
    async with open_cache(config) as cache:  # a new process: its session tier is empty
        await ask(cache, QUESTION)  # the shared tier
        await ask(cache, REWORDED)  # a similar question, by the vector tier
        await ask(cache, OTHER)  # generated again


async def parts(folder: Path) -> None:
    print("# The embedder: text to vector")
    embedder = OnnxEmbedder()
    await embedder.start()
    vectors = [await embedder.embed(text) for text in (QUESTION, REWORDED, OTHER)]
    if vectors[0] is None or vectors[1] is None or vectors[2] is None:
        raise SystemExit("a question was empty, or too long for the model")
    question, reworded, other = vectors[0], vectors[1], vectors[2]
    print(f"{embedder.dimension} numbers; {question @ reworded:.2f} and {question @ other:.2f}")

    print("# The judge: may the answer to one question serve another, by similarity and guards?")
    for text, vector in ((REWORDED, reworded), (OTHER, other)):
        similarity = float(question @ vector)
        print(judge(read(text), read(QUESTION), similarity, threshold=0.7, is_verified=True))

    print("# The verifier: how probably does it?")
    verifier = OnnxVerifier()
    await verifier.start()
    for text in (REWORDED, OTHER):
        (probability,) = await verifier.verify(text, [QUESTION])
        print(f"{probability:.2f} for {text}")

    now = time.time()
    entry = Entry(
        id="entry-1",
        scope="docs",
        tenant="me",
        namespace="",
        model="demo",
        question=QUESTION,
        answer=Answer(b'{"choices": []}'),
        created_at=now,
        expires_at=now + 3600,
        kept_until=now + 3600,
        vector=question,
        embedder=embedder.id,
    )

    print("# The session tier: memory, by exact key and session")
    session = MemoryTier(clock=time.time, max_entries=100, max_bytes=1_000_000, ttl_s=600)
    session.put(Caller("me", "tab-1"), entry)
    print([session.get(Caller("me", name), "entry-1") is not None for name in ("tab-1", "tab-2")])

    print("# The shared tier: durable, by exact key; it also keeps the log of what changed")
    shared = SqliteTier(folder / "alone.db", clock=time.time, on_event=heard)
    await shared.start()
    await shared.put(entry)
    found = await shared.get("docs", "entry-1")
    print(found.question if found else None, "|", await shared.get("another scope", "entry-1"))

    print("# The vector tier: neighbours, by scope; it is a fold of that log")
    index = FaissTier(
        folder / "alone.snapshot",
        embedder=embedder.id,
        dimension=embedder.dimension,
        max_entries=1000,
        clock=time.time,
        on_event=heard,
    )
    await index.start()
    await index.apply(await shared.changes(None, 100))
    for near in await index.search("docs", reworded, k=3):
        print(f"{near.entry_id}: {near.question} at {near.similarity:.2f}")

    for part in (index, shared, embedder):
        await part.close()


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="reprise-") as folder:
        await whole(Path(folder))
        await parts(Path(folder))


if __name__ == "__main__":
    asyncio.run(main())
