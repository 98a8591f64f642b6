"""Traces: what the spans say."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from proxy.core.model import Outcome, Result, Usage
from proxy.telemetry.traces import Traces, call_attributes
from tests.telemetry.test_logs import HIT

DOCS = Path(__file__).parents[2] / "docs" / "traces.md"
MISS = Outcome(
    request_id="r2",
    result=Result.MISS,
    api="chat.completions",
    model="gpt-4o",
    upstream_status=200,
    usage=Usage(10, 20),
    timings={"session": 0.25, "upstream": 1.5, "total": 2.0},
    starts={"session": 0.125, "upstream": 0.5},
)


async def told(
    *outcomes: Outcome, begun: Mapping[str, str] | None = None, worker: int | None = None
) -> list[ReadableSpan]:
    """The spans of some outcomes; those of `begun` ids came by HTTP, at a path each."""
    exporter = InMemorySpanExporter()
    traces = Traces("0.1.0", exporter, worker)
    for request_id, path in (begun or {}).items():
        traces.begin(request_id, method="POST", route=path, path=path, headers={})
    for outcome in outcomes:
        traces.notice(outcome)
    await traces.close()
    return list(exporter.get_finished_spans())


async def test_documented() -> None:
    """docs/traces.md lists every attribute, on the span that has it, and no other."""
    failed = replace(MISS, request_id="r3", status=502, upstream_status=None, stored=False)
    begun = {"r1": "/a", "r2": "/b", "r3": "/c"}
    spans = await told(replace(HIT, reason="number 5 != 7"), MISS, failed, begun=begun)
    requests = {
        name for span in spans if span.kind.name == "SERVER" for name in span.attributes or {}
    }
    calls = {name for span in spans if span.kind.name == "CLIENT" for name in span.attributes or {}}
    rows = re.findall(r"^\| `([\w.]+)` \| (request|call|both) \|", DOCS.read_text(), re.MULTILINE)

    assert len(rows) == len(dict(rows))
    assert requests == {name for name, place in rows if place != "call"}
    assert calls == {name for name, place in rows if place != "request"}


async def test_stages_stand_where_they_were() -> None:
    """A stage begins as long after its request as it did, and takes as long as it took."""
    spans = {span.name: span for span in await told(MISS, begun={"r2": "/v1"})}
    request, session, call = spans["POST /v1"], spans["session"], spans["chat gpt-4o"]
    began = request.start_time or 0

    assert (session.start_time, session.end_time) == (began + 125_000_000, began + 375_000_000)
    assert (call.start_time, call.end_time) == (began + 500_000_000, began + 2_000_000_000)
    assert call.events[0].timestamp == began + 2_000_000_000
    assert request.end_time == began + 2_000_000_000


async def test_without_http() -> None:
    """A cache used as a library has traces too: each request is one, with its stages."""
    spans = await told(MISS)
    (root,) = (span for span in spans if span.parent is None)

    assert root.name == "chat gpt-4o"
    assert {span.parent.span_id for span in spans if span.parent} == {root.context.span_id}
    assert (root.end_time or 0) - (root.start_time or 0) == 2_000_000_000


@pytest.mark.parametrize(
    ("api", "name", "provider"),
    [
        ("chat.completions", "chat", "openai"),
        ("responses", "chat", "openai"),
        ("messages", "chat", "anthropic"),
        ("completions", "text_completion", "openai"),
        ("embeddings", "embeddings", "openai"),
        ("passthrough", None, None),
    ],
)
def test_conventions(api: str, name: str | None, provider: str | None) -> None:
    """Each API's call has the name that the GenAI conventions give it, and whose API it is."""
    found = call_attributes(replace(MISS, api=api))

    assert (found.get("gen_ai.operation.name"), found.get("gen_ai.provider.name")) == (
        name,
        provider,
    )


@pytest.mark.parametrize(
    ("statuses", "failure"),
    [
        ((200, 200), None),
        ((404, 404), "404"),
        ((429, 429), "429"),
        ((None, 502), "unreachable"),
        ((None, 504), "timeout"),
        ((503, 200), "503"),
    ],
)
def test_failures(statuses: tuple[int | None, int], failure: str | None) -> None:
    """How a call failed is its `error.type`, also where a stale answer stood in."""
    upstream, status = statuses
    outcome = replace(MISS, upstream_status=upstream, status=status)

    assert call_attributes(outcome).get("error.type") == failure


def test_tokens_of_a_batch() -> None:
    """Of a batch answered in part, only what the origin was asked for is the call's."""
    found = call_attributes(replace(MISS, usage=Usage(10, 0), saved=Usage(4, 0)))

    assert found["gen_ai.usage.input_tokens"] == 6


async def test_workers() -> None:
    """Of several workers each says its number; one alone has none."""
    (one, *_), (other, *_) = await told(MISS, worker=2), await told(MISS)

    assert one.resource.attributes["reprise.worker"] == 2
    assert "reprise.worker" not in other.resource.attributes
    assert other.resource.attributes["service.version"] == "0.1.0"


async def test_ids() -> None:
    """Every span has an id of its own, however many requests are under way."""
    begun = {f"r{number}": "/v1" for number in range(50)}
    spans = await told(*(replace(MISS, request_id=name) for name in begun), begun=begun)
    ids = {span.context.span_id for span in spans}

    assert len(ids) == len(spans) == 150
