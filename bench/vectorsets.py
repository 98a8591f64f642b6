"""Redis vector sets against an exact search, on the same vectors: recall, time, memory, inserts.

    python bench/vectorsets.py QUESTIONS --size 100000 --quantisation q8 noquant bin

QUESTIONS is a folder of `reprise eval`'s sets, or a `.npy` file of unit vectors as `--keep` writes
it. The questions are embedded by the embedder that comes with the program; copies of them moved by
noise make up the size, because that many real ones are not at hand. Half of the queries are
questions of the index moved by noise, half are real ones that are not in it (strangers); a search
is right when it finds the nearest of all first.
"""

import argparse
import asyncio
import gzip
import json
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt
from redis.asyncio import Redis

from proxy.embedding.onnx import OnnxEmbedder
from tests.support.servers import RedisServer

Vectors = npt.NDArray[np.float32]
Nearest = npt.NDArray[np.int64]

NOISE = 0.35
"""Length of the noise beside a unit vector: copies and queries have a cosine of about 0.94."""
ATTRIBUTES = json.dumps(
    {"q": "how do I reset my password when I lost it", "u": 1.8e9, "v": "0" * 12}
)
LENGTHS = range(9, 200)
"""Characters of a question."""
BATCH = 32
EFFORTS = (None, 32, 64, 128, 256, 512)


def texts(folder: Path, most: int) -> list[str]:
    """Distinct questions of all sets, every set in its turn."""
    found: dict[str, None] = {}
    for file in sorted(folder.glob("*.jsonl.gz")):
        rows = map(json.loads, gzip.decompress(file.read_bytes()).splitlines())
        for row in rows:
            for field in ("a", "b", "text", "prompt", "question"):
                if isinstance(row.get(field), str) and len(row[field]) in LENGTHS:
                    found[row[field]] = None
    every = list(found)
    return every[:: max(1, len(every) // most)][:most]


async def embedded(questions: list[str]) -> Vectors:
    embedder = OnnxEmbedder()
    await embedder.start()
    made = [await embedder.embed(question) for question in questions]
    await embedder.close()
    return np.stack([vector for vector in made if vector is not None])


def moved(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    noise = rng.standard_normal(vectors.shape).astype(np.float32)
    noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
    near = vectors + noise
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)


def grown(real: Vectors, size: int, rng: np.random.Generator) -> Vectors:
    pieces = [real[:size]]
    while sum(map(len, pieces)) < size:
        pieces.append(moved(real, rng)[: size - sum(map(len, pieces))])
    return np.concatenate(pieces)


def percentiles(seconds: list[float]) -> str:
    p50, p99 = np.percentile(np.array(seconds) * 1e3, [50, 99])
    return f"p50 {p50:6.2f} ms  p99 {p99:6.2f} ms"


def exact(vectors: Vectors, queries: Vectors) -> Nearest:
    """The nearest of each, and what FAISS needs for one."""
    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    times = []
    for query in queries[:200]:
        began = time.perf_counter()
        flat.search(query[None], 4)
        times.append(time.perf_counter() - began)
    print(f"faiss flat         {percentiles(times)}  {vectors.nbytes / 1e6:6.0f} MB")
    nearest: Nearest = flat.search(queries, 1)[1][:, 0]
    return nearest


async def insert(redis: Redis, vectors: Vectors, quantisation: str, *options: str) -> None:
    async def probe() -> None:
        while not is_over:
            began = time.perf_counter()
            await other.get("answer")
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.005)

    other = Redis(connection_pool=redis.connection_pool)
    await redis.set("answer", b"x" * 2000)
    waits: list[float] = []
    is_over = False
    before = (await redis.info("memory"))["used_memory"]
    async with asyncio.TaskGroup() as group:
        group.create_task(probe())
        began = last = time.perf_counter()
        for start in range(0, len(vectors), BATCH):
            pipe = redis.pipeline(transaction=False)
            for number, vector in enumerate(vectors[start : start + BATCH], start):
                name = f"{number:032x}"
                what = ("FP32", vector.tobytes(), name, *options, quantisation.upper())
                pipe.execute_command("VADD", "s", *what, "SETATTR", ATTRIBUTES)
            await pipe.execute()
            if start <= len(vectors) - 1000:
                last, at = time.perf_counter(), start
        ended = time.perf_counter()
        is_over = True
    used = (await redis.info("memory"))["used_memory"] - before
    end = (len(vectors) - at) / max(1e-9, ended - last)
    rate, size = len(vectors) / (ended - began), used / len(vectors)
    name = f"insert {' '.join(options)}"
    print(f"{quantisation:8} {name:18} {rate:.0f}/s, at the end {end:.0f}/s", flush=True)
    print(f"{quantisation:8} {'memory':18} {used / 1e6:.0f} MB, {size:.0f} bytes each")
    print(f"{quantisation:8} {'GET meanwhile':18} {percentiles(waits)}")


async def search(redis: Redis, queries: Vectors, nearest: Nearest, quantisation: str) -> None:
    for effort in EFFORTS:
        for thread in ((), ("NOTHREAD",)) if effort is None else ((),):
            times: list[float] = []
            right: list[bool] = []
            ef = ("EF", effort) if effort else ()
            for query, best in zip(queries, nearest, strict=True):
                what = ("FP32", query.tobytes(), "WITHSCORES", "WITHATTRIBS", "COUNT", 8)
                began = time.perf_counter()
                found = await redis.execute_command("VSIM", "s", *what, *ef, *thread)
                times.append(time.perf_counter() - began)
                right.append(int(found[0], 16) == best)
            name = f"EF {effort or 'server'} {' '.join(thread)}"
            half = len(queries) // 2
            near, far = np.mean(right[:half]), np.mean(right[half:])
            recall = f"recall@1 {near:.4f}, strangers {far:.4f}"
            print(f"{quantisation:8} {name:18} {percentiles(times)}  {recall}", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--real", type=int, default=10_000, help="most questions embedded")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--quantisation", nargs="+", default=["q8"])
    parser.add_argument("--without-cas", action="store_true")
    parser.add_argument("--keep", type=Path, help="write the questions' vectors here")
    chosen = parser.parse_args()
    if chosen.questions.suffix == ".npy":
        real: Vectors = np.load(chosen.questions)
    else:
        real = await embedded(texts(chosen.questions, chosen.real))
    if chosen.keep:
        np.save(chosen.keep, real)
    rng = np.random.default_rng(7)
    real, half = rng.permutation(real), chosen.queries // 2
    strangers, real = real[:half], real[half:][: chosen.size]
    vectors = grown(real, chosen.size, rng)
    queries = np.concatenate([moved(real[rng.integers(0, len(real), half)], rng), strangers])
    print(f"{len(vectors)} vectors of {vectors.shape[1]}, {len(real)} of them real")
    nearest = exact(vectors, queries)
    for quantisation in chosen.quantisation:
        with tempfile.TemporaryDirectory() as folder:
            server = RedisServer(Path(folder))
            server.start()
            redis = Redis.from_url(server.url, protocol=2)
            try:
                options = () if chosen.without_cas else ("CAS",)
                await insert(redis, vectors, quantisation, *options)
                await search(redis, queries, nearest, quantisation)
                await redis.aclose()
            finally:
                server.kill()


asyncio.run(main())
