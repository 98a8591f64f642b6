"""What a traced request costs."""

import asyncio
from collections.abc import Sequence

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_benchmark.fixture import BenchmarkFixture

from proxy.core.model import Outcome, Result, Tier, Usage
from proxy.telemetry.traces import Traces

HEADERS = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
HIT = Outcome(
    request_id="r",
    result=Result.HIT,
    api="chat.completions",
    model="gpt-4o",
    tier=Tier.VECTOR,
    entry="e",
    similarity=0.98,
    probability=0.99,
    age=12.0,
    ttl=100.0,
    usage=Usage(10, 20),
    saved=Usage(10, 20),
    timings=dict.fromkeys(("session", "shared", "embed", "vector", "verify", "total"), 0.001),
)


class Nowhere(SpanExporter):
    """Takes what it gets."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        return SpanExportResult.SUCCESS


def request(traces: Traces) -> None:
    traces.begin("r", method="POST", route="/v1", path="/v1", headers=HEADERS)
    traces.notice(HIT)


def test_a_hit_of_six_spans(benchmark: BenchmarkFixture) -> None:
    """What the request itself waits for."""
    traces = Traces("0.1.0", Nowhere())
    benchmark(request, traces)
    asyncio.run(traces.close())


def test_a_hit_that_is_not_recorded(
    benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    traces = Traces("0.1.0", Nowhere())
    benchmark(request, traces)
    asyncio.run(traces.close())


def test_sending_100_hits(benchmark: BenchmarkFixture) -> None:
    """What the sending thread does with them, but for the network."""
    kept = InMemorySpanExporter()
    traces = Traces("0.1.0", kept)
    for _ in range(100):
        request(traces)
    asyncio.run(traces.close())
    assert benchmark(lambda: encode_spans(kept.get_finished_spans()).SerializeToString())  # noqa: S101
