"""A real receiver of traces: OTLP over HTTP, in the test's own loop."""

import gzip
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


@dataclass(frozen=True, slots=True)
class Told:
    """One span. Ids are hex; `parent` is "" at the root of a trace; times are in ns."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    starts: int
    ends: int
    failed: bool
    attributes: dict[str, object]
    events: tuple[str, ...]
    resource: dict[str, object]


@dataclass(slots=True)
class Collector:
    """What was sent so far, and with which headers."""

    url: str = ""
    spans: list[Told] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def named(self, name: str) -> list[Told]:
        """The spans of that name."""
        return [span for span in self.spans if span.name == name]

    def below(self, parent: Told) -> list[Told]:
        """The spans right below one, in the order of their beginning."""
        return sorted(
            (span for span in self.spans if span.parent == parent.id), key=lambda span: span.starts
        )

    async def take(self, request: web.Request) -> web.Response:
        """As a collector does."""
        raw = await request.read()
        if request.headers.get("content-encoding") == "gzip" and raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        for group in ExportTraceServiceRequest.FromString(raw).resource_spans:
            resource = _pairs(group.resource.attributes)
            self.spans += [
                _told(span, resource) for scope in group.scope_spans for span in scope.spans
            ]
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """A running one, on a free port."""
    running = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", running.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        running.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield running
    finally:
        await runner.cleanup()


def _told(span: Span, resource: dict[str, object]) -> Told:
    return Told(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        starts=span.start_time_unix_nano,
        ends=span.end_time_unix_nano,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=_pairs(span.attributes),
        events=tuple(event.name for event in span.events),
        resource=resource,
    )


def _pairs(found: Iterable[KeyValue]) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in found}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
