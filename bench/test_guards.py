"""What judging costs: reading a 20-word question, and judging two that pass every guard."""

from pytest_benchmark.fixture import BenchmarkFixture

from proxy.core.judgement.base import judge
from proxy.core.judgement.reading import read
from proxy.core.judgement.verdict import Accept

NEW = (
    "How do I safely migrate a large PostgreSQL 14 database from Amazon RDS to Google Cloud "
    "without any downtime before Friday?"
)
OLD = (
    "What is the best way to move a big PostgreSQL 14 database from Amazon RDS to Google Cloud "
    "without downtime before Friday?"
)


def test_reading_a_question(benchmark: BenchmarkFixture) -> None:
    """Once a new question; a candidate's reading is remembered."""
    assert benchmark(read, NEW).numbers == {"14"}  # noqa: S101 - a benchmark is a test too


def test_judging_two_readings(benchmark: BenchmarkFixture) -> None:
    """Every guard is asked, since none vetoes: the dearest case."""
    new, old = read(NEW), read(OLD)
    assert isinstance(benchmark(judge, new, old, 0.95, threshold=0.88), Accept)  # noqa: S101 - the same
