"""What a vector costs: the model alone, through the event loop, from memory; and loading it.

The process's peak memory so far stands in each benchmark's extra info, as `rss_mb`.
"""

import asyncio
import resource
from collections.abc import Iterator
from itertools import count

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from proxy.embedding.memo import MemoEmbedder
from proxy.embedding.onnx import MINILM, Model, OnnxEmbedder
from proxy.modelfolder import Card

QUESTION = "How do I reset the password of my online bank account after losing my phone?"
LONG = "word " * 126  # 128 tokens with the two special ones
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
