"""What the verifier costs: one pair of 20-word questions, a crowd, from memory; and loading it."""

import asyncio
import resource
from collections.abc import Iterator
from itertools import count

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from proxy.modelfolder import Card
from proxy.verifying.memo import MemoVerifier
from proxy.verifying.onnx import SHIPPED, Model, OnnxVerifier

NEW = (
    "How do I safely migrate a large PostgreSQL 14 database from Amazon RDS to Google Cloud "
    "without any downtime before Friday?"
)
OLD = (
    "What is the best way to move a big PostgreSQL 14 database from Amazon RDS to Google Cloud "
    "without downtime before Friday?"
)
CONCURRENT = 32


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(SHIPPED, Card.read(SHIPPED))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(autouse=True)
def memory(benchmark: BenchmarkFixture) -> Iterator[None]:
    yield
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    benchmark.extra_info["rss_mb"] = round(kilobytes / 1024)


@pytest.mark.parametrize(
    "pair",
    [("How do I reset my password?", "How can I change my password?"), (NEW, OLD)],
    ids=["6 words", "20 words"],
)
def test_model(benchmark: BenchmarkFixture, model: Model, pair: tuple[str, str]) -> None:
    """Tokenise and run one pair: what a semantic hit costs beside its embedding."""
    benchmark(model.probability, *pair)


@pytest.mark.parametrize("workers", [1, 2])
def test_concurrent(benchmark: BenchmarkFixture, runner: asyncio.Runner, workers: int) -> None:
    """Thirty-two different pairs at once, through the event loop."""
    verifier = OnnxVerifier(workers=workers)
    runner.run(verifier.start())

    async def ask() -> None:
        pairs = (verifier.verify(f"{NEW} {number}", [OLD]) for number in range(CONCURRENT))
        await asyncio.gather(*pairs)

    benchmark(lambda: runner.run(ask()))
    runner.run(verifier.close())


def test_one_through_the_loop(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    """One pair at a time, each a new one: the model and the way to its thread and back."""
    verifier = MemoVerifier(OnnxVerifier(), 100)
    runner.run(verifier.start())
    number = count()
    benchmark(lambda: runner.run(verifier.verify(f"{NEW} {next(number)}", [OLD])))
    runner.run(verifier.close())


def test_remembered(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    """A hundred repeats of one pair, from memory."""
    verifier = MemoVerifier(OnnxVerifier(), 100)
    runner.run(verifier.start())

    async def ask() -> None:
        for _ in range(100):
            await verifier.verify(NEW, [OLD])

    benchmark(lambda: runner.run(ask()))
    runner.run(verifier.close())


def test_load(benchmark: BenchmarkFixture) -> None:
    """Read, check and load the model."""
    benchmark(lambda: Model(SHIPPED, Card.read(SHIPPED)))
