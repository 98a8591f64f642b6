"""What a vector costs: the model alone, through the event loop, from memory; and loading it.

The process's peak memory so far stands in each benchmark's extra info, as `rss_mb`.
"""

import asyncio
import resource
from collections.abc import Iterator
from itertools import count

import numpy as np
import numpy.typing as npt
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from proxy.embedding.memo import MemoEmbedder
from proxy.embedding.onnx import MINILM, Model, OnnxEmbedder
from proxy.modelfolder import Card, load

QUESTION = "How do I reset the password of my online bank account after losing my phone?"
LONG = "word " * 126  # 128 tokens with the two special ones
THINGS = (
    *("phone", "car", "house", "book", "dog", "key", "bag", "coat"),
    *("cat", "job", "boat", "hat", "watch", "card", "ring", "bike"),
)
CONCURRENT = 32


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(MINILM, Card.read(MINILM))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(autouse=True)
def memory(benchmark: BenchmarkFixture) -> Iterator[None]:
    yield
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    benchmark.extra_info["rss_mb"] = round(kilobytes / 1024)


@pytest.mark.parametrize("text", [QUESTION, LONG], ids=["15 words", "128 tokens"])
def test_model(benchmark: BenchmarkFixture, model: Model, text: str) -> None:
    """Tokenise and run one text."""
    benchmark(model.vector, text)


@pytest.mark.parametrize("texts", [1, 2, 4, 16])
def test_together(benchmark: BenchmarkFixture, texts: int) -> None:
    """So many texts of one length in one run, which the embedder does not do.

    The least cosine of a text's vector to the one that it has alone is in the extra info.
    """
    loaded = load(MINILM, Card.read(MINILM))
    asked = [loaded.tokenizer.encode(QUESTION.replace("phone", thing)).ids for thing in THINGS]
    ids = np.array(asked[:texts], np.int64)

    def vectors(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        return np.asarray(loaded.session.run(None, feed)[0], np.float32)

    together = benchmark(vectors, ids)
    alone = np.concatenate([vectors(one[np.newaxis]) for one in ids])
    benchmark.extra_info["least_cosine"] = round(float((alone * together).sum(axis=1).min()), 4)


@pytest.mark.parametrize("workers", [1, 2])
def test_concurrent(benchmark: BenchmarkFixture, runner: asyncio.Runner, workers: int) -> None:
    """Thirty-two different questions at once, through the event loop."""
    embedder = OnnxEmbedder(workers=workers)
    runner.run(embedder.start())
    number = count()

    async def ask() -> None:
        texts = [f"{QUESTION} {next(number)}" for _ in range(CONCURRENT)]
        await asyncio.gather(*map(embedder.embed, texts))

    benchmark(lambda: runner.run(ask()))
    runner.run(embedder.close())


def test_remembered(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    """A hundred repeats of one question, from memory."""
    embedder = MemoEmbedder(OnnxEmbedder(), 100)
    runner.run(embedder.start())

    async def ask() -> None:
        for _ in range(100):
            await embedder.embed(QUESTION)

    benchmark(lambda: runner.run(ask()))
    runner.run(embedder.close())


def test_load(benchmark: BenchmarkFixture) -> None:
    """Read, check and load the model."""
    benchmark(lambda: Model(MINILM, Card.read(MINILM)))
