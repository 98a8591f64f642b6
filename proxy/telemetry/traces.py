"""OpenTelemetry traces: a span for each request, and below it one for each of its stages. An extra.

A request's span says what its log line says, and so nobody's words. The call to the origin has the
names of the GenAI semantic conventions; it alone says tokens, so that whoever adds them up counts
what was paid for. `docs/traces.md` lists all of it, and a test compares.
"""

import asyncio
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_SDK_DISABLED
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from proxy.core.model import Outcome, Result, Usage
from proxy.core.repetition import Repetition
from proxy.telemetry.logs import request_fields
from proxy.telemetry.metrics import upstream_failure

Value = str | bool | int | float

CLOSE_S: Final = 3.0
"""What is left is sent for so long when the program ends."""

OPERATIONS: Final = {
    "chat.completions": "chat",
    "responses": "chat",
    "messages": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
}
"""`gen_ai.operation.name`, by API."""

TOLD_OTHERWISE: Final = frozenset({"status", "upstream_status", "model", "ms"})
"""Fields of the log line that a span has under another name, or as times of its own."""

_FAILED = 400
_FAULT = 500


@dataclass(frozen=True, slots=True)
class _Open:
    """A request under way: its span, when it began (ns), and the id of the call to the origin."""

    span: Span
    began: int
    call_id: int


class _Ids(RandomIdGenerator):
    """Random ids, but for a call's span: the origin was told its id before it was made."""

    def __init__(self) -> None:
        self._told: int | None = None

    def tell(self, span_id: int) -> None:
        """The next span has this id."""
        self._told = span_id

    def generate_span_id(self) -> int:
        told, self._told = self._told, None
        return super().generate_span_id() if told is None else told


class Traces:
    """The `Tracing` that sends spans.

    Args:
        version: Of the program.
        exporter: Where they go, in batches, from a thread of its own.
        worker: The number of this process, where there are several.
    """

    def __init__(self, version: str, exporter: SpanExporter, worker: int | None = None) -> None:
        own: dict[str, Value] = {"service.name": "reprise", "service.version": version}
        if worker is not None:
            own["reprise.worker"] = worker
        resource = Resource.create(own).merge(OTELResourceDetector().detect())
        self._ids = _Ids()
        self._exporter = exporter
        self._provider = TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("reprise", version)
        self._propagator = TraceContextTextMapPropagator()
        self._open: dict[str, _Open] = {}

    def begin(
        self, request_id: str, *, method: str, route: str, path: str, headers: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Its span is of the trace that `traceparent` names (W3C Trace Context), or a new one's."""
        began = time.time_ns()
        known = {"http.request.method": method, "url.path": path, "http.route": route}
        span = self._tracer.start_span(
            f"{method} {route}".rstrip(),
            self._propagator.extract(headers),
            kind=SpanKind.SERVER,
            attributes={name: value for name, value in known.items() if value},
            start_time=began,
        )
        call_id = self._ids.generate_span_id()
        self._open[request_id] = _Open(span, began, call_id)
        own = span.get_span_context()
        call = SpanContext(
            own.trace_id,
            call_id,
            is_remote=False,
            trace_flags=own.trace_flags,
            trace_state=own.trace_state,
        )
        carried: dict[str, str] = {}
        self._propagator.inject(carried, set_span_in_context(NonRecordingSpan(call)))
        return carried

    def drop(self, request_id: str) -> None:
        """A request is over; one that nobody told of, such as a health check, has no span."""
        self._open.pop(request_id, None)

    def notice(self, outcome: Outcome) -> None:
        """End the request's span; one that came without HTTP gets its span now."""
        one = self._open.pop(outcome.request_id, None) or self._without_http(outcome)
        if not one.span.is_recording():
            return
        one.span.set_attributes(attributes(outcome))
        if outcome.status >= _FAULT:
            one.span.set_status(Status(StatusCode.ERROR))
        total = outcome.timings.get("total")
        end = None if total is None else one.began + _ns(total)
        for stage, seconds in outcome.timings.items():
            start = one.began + _ns(outcome.starts.get(stage, 0.0))
            if stage == "upstream" and outcome.result is not Result.COALESCED:
                self._call(one, outcome, start, start + _ns(seconds), end)
            elif stage != "total":
                span = self._tracer.start_span(
                    stage, set_span_in_context(one.span), start_time=start
                )
                span.end(start + _ns(seconds))
        one.span.end(end)

    def repeated(self, first: Outcome, repetitions: Sequence[Repetition]) -> None:
        """Requests that have spans are answered one by one: there are none of these."""

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """Nothing: an event belongs to no request."""

    async def close(self) -> None:
        """Send what is left. A collector that does not answer is waited for `CLOSE_S` at most."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, CLOSE_S)
        if ending.is_alive():
            await asyncio.to_thread(self._exporter.shutdown)

    def _without_http(self, outcome: Outcome) -> _Open:
        began = time.time_ns() - _ns(outcome.timings.get("total", 0.0))
        span = self._tracer.start_span(call_name(outcome), start_time=began)
        return _Open(span, began, self._ids.generate_span_id())

    def _call(
        self, one: _Open, outcome: Outcome, start: int, headers: int, end: int | None
    ) -> None:
        """The call to the origin, from its beginning to the last byte of the answer."""
        self._ids.tell(one.call_id)
        span = self._tracer.start_span(
            call_name(outcome),
            set_span_in_context(one.span),
            kind=SpanKind.CLIENT,
            attributes=call_attributes(outcome),
            start_time=start,
        )
        if outcome.upstream_status is not None:
            span.add_event("headers", timestamp=headers)
        if "error.type" in call_attributes(outcome):
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)


def attributes(outcome: Outcome) -> dict[str, Value]:
    """What a request's span says: as the log line, and what has a name that others use."""
    found: dict[str, Value] = {
        f"reprise.{name}": value
        for name, value in request_fields(outcome).items()
        if name not in TOLD_OTHERWISE
    }
    found["http.response.status_code"] = outcome.status
    if outcome.status >= _FAULT:
        found["error.type"] = str(outcome.status)
    return found | _asked(outcome)


def call_attributes(outcome: Outcome) -> dict[str, Value]:
    """What the span of a call to the origin says."""
    found = _asked(outcome)
    if found:
        found["gen_ai.provider.name"] = "anthropic" if outcome.api == "messages" else "openai"
        if (usage := outcome.usage) is not None:
            saved = outcome.saved or Usage(0, 0)
            found["gen_ai.usage.input_tokens"] = max(0, usage.prompt - saved.prompt)
            found["gen_ai.usage.output_tokens"] = max(0, usage.completion - saved.completion)
    if outcome.upstream_status is not None:
        found["http.response.status_code"] = outcome.upstream_status
    if (outcome.upstream_status or 0) >= _FAILED:
        found["error.type"] = str(outcome.upstream_status)
    elif (failure := upstream_failure(outcome)) is not None:
        found["error.type"] = failure
    return found


def call_name(outcome: Outcome) -> str:
    """`chat gpt-4o`; what is not read is called by its API."""
    operation = OPERATIONS.get(outcome.api)
    return f"{operation or outcome.api} {outcome.model}".rstrip()


def _asked(outcome: Outcome) -> dict[str, Value]:
    operation = OPERATIONS.get(outcome.api)
    if operation is None:
        return {}
    found: dict[str, Value] = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.stream": outcome.stream,
    }
    return found | ({"gen_ai.request.model": outcome.model} if outcome.model else {})


def open_traces(version: str, worker: int | None = None) -> Traces | None:
    """Traces sent by OTLP over HTTP, as the `OTEL_*` variables say; None where they say none."""
    if os.environ.get(OTEL_SDK_DISABLED, "").strip().lower() == "true":
        return None
    return Traces(version, OTLPSpanExporter(), worker)


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
