"""Traces, as a real collector and a real origin get them."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.errors import ConfigError
from tests.support.collector import Collector, Told, collector
from tests.support.origin import Act, Gate, ScriptedOrigin
from tests.support.program import Served, Serving, chat, settings
from tests.support.waiting import until

TRACE = "0af7651916cd43dd8448eb211c80319c"
MODEL = "text-embedding-3-small"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
CHAT = "POST /v1/chat/completions"
ON = {"telemetry": {"traces": True}}


@pytest.fixture
async def spans(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector that the environment names."""
    async with collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


def sent(origin: ScriptedOrigin) -> dict[str, str]:
    """The trace's headers as the origin got them."""
    pairs = [(name.lower(), value) for name, value in origin.requests[-1].headers]
    found = {name: value for name, value in pairs if name in {"traceparent", "tracestate"}}
    assert len(found) == sum(name in found for name, _ in pairs)  # each once
    return found


def covers(outer: Told, inner: Told) -> bool:
    return outer.starts <= inner.starts <= inner.ends <= outer.ends


async def test_a_miss(serving: Serving, spans: Collector, origin: ScriptedOrigin) -> None:
    """The request is a span, its stages lie within it, and the origin's call is the last."""
    async with serving(**ON) as proxy:
        got = await proxy.post(chat())
    (request,) = spans.named(CHAT)
    session, shared, call = spans.below(request)

    assert (request.kind, request.parent, request.failed) == ("SERVER", "", False)
    assert [session.name, shared.name, call.name] == ["session", "shared", "chat gpt-4o"]
    assert (session.kind, call.kind, call.events) == ("INTERNAL", "CLIENT", ("headers",))
    assert all(covers(request, stage) for stage in (session, shared, call))
    assert session.ends <= shared.ends <= call.ends
    assert request.attributes["reprise.result"] == "MISS"
    assert request.attributes["reprise.request_id"] == got.headers["x-request-id"]
    assert sent(origin) == {"traceparent": f"00-{request.trace}-{call.id}-03"}


async def test_tokens(serving: Serving, spans: Collector) -> None:
    """Tokens stand on the call that was made: who adds them up counts each once, and no hit's."""
    async with serving(**ON) as proxy:
        asked = (await proxy.post(chat())).json["usage"]
        await proxy.post(chat())
    told = [
        span.attributes for span in spans.spans if "gen_ai.usage.input_tokens" in span.attributes
    ]

    assert [
        (one["gen_ai.usage.input_tokens"], one["gen_ai.usage.output_tokens"]) for one in told
    ] == [(asked["prompt_tokens"], asked["completion_tokens"])]
    assert [one.attributes.get("reprise.saved_tokens") for one in spans.named(CHAT)] == [
        None,
        asked["total_tokens"],
    ]


async def test_a_hit_calls_nobody(serving: Serving, spans: Collector) -> None:
    """A hit's trace has the tiers that were asked, and no call."""
    async with serving(**ON) as proxy:
        await proxy.post(chat())
        await proxy.post(chat())
    _, hit = spans.named(CHAT)

    assert [span.name for span in spans.below(hit)] == ["session"]
    assert (hit.attributes["reprise.result"], hit.attributes["reprise.tier"]) == ("HIT", "session")
    assert hit.attributes["gen_ai.request.model"] == "gpt-4o"


async def test_a_trace_goes_through(
    serving: Serving, spans: Collector, origin: ScriptedOrigin
) -> None:
    """The caller's trace is gone on with: our spans below his, and the origin's below our call."""
    async with serving(**ON) as proxy:
        await proxy.post(chat(), traceparent=PARENT, tracestate="vendor=1")
    (request,) = spans.named(CHAT)
    (call,) = spans.named("chat gpt-4o")

    assert (request.trace, request.parent) == (TRACE, SPAN)
    assert sent(origin)["traceparent"].startswith(f"00-{TRACE}-{call.id}-")
    assert sent(origin)["tracestate"] == "vendor=1"


async def test_a_trace_that_is_not_recorded(
    serving: Serving, spans: Collector, origin: ScriptedOrigin
) -> None:
    """Who decided that a trace is not recorded is heeded, and the origin is told."""
    async with serving(**ON) as proxy:
        await proxy.post(chat(), traceparent=f"00-{TRACE}-{SPAN}-00")

    assert spans.spans == []
    assert sent(origin)["traceparent"].split("-")[1::2] == [TRACE, "00"]


async def test_a_header_that_is_none(
    serving: Serving, spans: Collector, origin: ScriptedOrigin
) -> None:
    """What is no `traceparent` begins a new trace, and is not passed on."""
    async with serving(**ON) as proxy:
        await proxy.post(chat(), traceparent="00-zz-1", tracestate="vendor=1")
    (request,) = spans.named(CHAT)

    assert request.parent == ""
    assert list(sent(origin)) == ["traceparent"]
    assert sent(origin)["traceparent"].split("-")[1] == request.trace


async def test_off(proxy: Served, spans: Collector, origin: ScriptedOrigin) -> None:
    """Without being asked for, nothing is sent, and the caller's headers pass as they are."""
    await proxy.post(chat(), traceparent=PARENT, tracestate="vendor=1")

    assert sent(origin) == {"traceparent": PARENT, "tracestate": "vendor=1"}
    assert (proxy.runtime.traces, spans.headers) == (None, [])


async def test_switched_off_by_the_environment(
    serving: Serving, origin: ScriptedOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`OTEL_SDK_DISABLED` does the same."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    async with serving(**ON) as proxy:
        await proxy.post(chat(), traceparent=PARENT)

    assert sent(origin) == {"traceparent": PARENT}


async def test_a_stream(serving: Serving, spans: Collector) -> None:
    """A stream's spans last until its last byte."""
    async with serving(**ON) as proxy:
        await proxy.post(chat(stream=True, stream_options={"include_usage": True}))
    (request,) = spans.named(CHAT)
    (call,) = spans.named("chat gpt-4o")

    assert call.attributes["gen_ai.request.stream"] is True
    assert call.ends == request.ends
    assert "gen_ai.usage.output_tokens" in call.attributes


async def test_one_call_of_many(serving: Serving, spans: Collector, origin: ScriptedOrigin) -> None:
    """Of requests that share a call, one has its span; the others show how long they waited."""
    gate = Gate()
    origin.then(before=gate)
    async with serving(**ON) as proxy, asyncio.TaskGroup() as group:
        asking = [group.create_task(proxy.post(chat())) for _ in range(3)]
        await gate.reached()
        await until(
            lambda: sum(len(one._seats) for one in proxy.runtime.flights._calls) == len(asking)
        )
        gate.open()
    waits = spans.named("upstream")

    assert len(spans.named("chat gpt-4o")) == 1
    assert [wait.kind for wait in waits] == ["INTERNAL", "INTERNAL"]


@pytest.mark.parametrize(("status", "failed"), [(503, True), (400, False)])
async def test_an_origin_that_fails(
    serving: Serving, spans: Collector, origin: ScriptedOrigin, status: int, *, failed: bool
) -> None:
    """An error is the call's, and the request's too where it is a server's."""
    origin.always = Act(status=status)
    async with serving(**ON) as proxy:
        await proxy.post(chat())
    (request,) = spans.named(CHAT)
    (call,) = spans.named("chat gpt-4o")

    assert (call.failed, call.attributes["error.type"]) == (True, str(status))
    assert (request.failed, "error.type" in request.attributes) == (failed, failed)


async def test_embeddings(serving: Serving, spans: Collector) -> None:
    """A batch is a request like others, and says how much of it was cached."""
    body = {"model": MODEL, "input": ["one", "two"]}
    async with serving(**ON) as proxy:
        await proxy.post(body, to="/embeddings")
        await proxy.post({**body, "input": ["two", "three"]}, to="/embeddings")
    _, second = spans.named("POST /v1/embeddings")

    assert second.attributes["reprise.items"] == "1/2"
    assert second.attributes["gen_ai.operation.name"] == "embeddings"
    assert all(covers(second, stage) for stage in spans.below(second))
    assert spans.below(second)[-1].name == f"embeddings {MODEL}"


async def test_what_is_passed_through(
    serving: Serving, spans: Collector, origin: ScriptedOrigin
) -> None:
    """A path that is not cached has a name without what varies in it, and its trace goes on."""
    async with serving(**ON) as proxy:
        await proxy.get("/v1/files/file-123?limit=1", traceparent=PARENT)
    (request,) = spans.named("GET /v1/{path}")
    (call,) = spans.below(request)

    assert request.attributes["url.path"] == "/v1/files/file-123"
    assert (call.name, call.kind) == ("passthrough", "CLIENT")
    assert sent(origin)["traceparent"].startswith(f"00-{TRACE}-{call.id}-")


async def test_what_is_nobodys_request(serving: Serving, spans: Collector) -> None:
    """Health checks and scrapes are no traces; a path that is not there is one."""
    async with serving(**ON) as proxy:
        for path in ("/healthz", "/readyz", "/metrics", "/nowhere"):
            await proxy.get(path)
        assert proxy.runtime.traces is not None
        assert vars(proxy.runtime.traces)["_open"] == {}

    assert [(span.name, span.attributes["http.response.status_code"]) for span in spans.spans] == [
        ("GET", 404)
    ]


async def test_nobodys_words(serving: Serving, spans: Collector) -> None:
    """No prompt, no answer and no key is in a trace."""
    async with serving(embedder={"kind": "local"}, **ON) as proxy:
        for text in ("How many people live in Vaduz?", "How many sheep live in Vaduz?"):
            await proxy.post(chat(text), key="sk-secret")

    assert spans.spans
    assert [
        word for word in ("Vaduz", "sheep", "people", "secret") if word in str(spans.spans)
    ] == []


async def test_the_standard_variables(
    serving: Serving, spans: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name, attributes and headers come from where every OpenTelemetry program has them."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "cache-eu")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=abc")
    async with serving(**ON) as proxy:
        await proxy.post(chat())
    resource = spans.spans[0].resource

    assert resource["service.name"] == "cache-eu"
    assert resource["deployment.environment.name"] == "test"
    assert resource["service.version"]
    assert spans.headers[0]["x-token"] == "abc"


async def test_our_own_name(serving: Serving, spans: Collector) -> None:
    """Without them the service is called `reprise`."""
    async with serving(**ON) as proxy:
        await proxy.post(chat())

    assert spans.spans[0].resource["service.name"] == "reprise"


async def test_a_collector_that_is_away(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are answered as ever, and the proxy ends in time."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    async with serving(**ON) as proxy:
        assert (await proxy.post(chat())).status == 200
        began = time.monotonic()

    assert time.monotonic() - began < 10


async def test_a_variable_that_makes_no_sense(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy does not start, and says which key asked for it and what is wrong."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    with pytest.raises(ConfigError, match=r"telemetry\.traces: .*max_queue_size"):
        async with serving(**ON):
            pass


def test_without_the_extra(tmp_path: Path) -> None:
    """Who asks for traces without the libraries is told what to install."""
    config = tmp_path / "config.yaml"
    config.write_text(str(settings("http://127.0.0.1:9", tmp_path, **ON)))
    program = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; "
        f"sys.argv[1:] = ['serve', '--config', {str(config)!r}]; from proxy.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PORT"},
    )

    assert ended.returncode == 2
    assert "telemetry.traces: needs the extra: pip install 'reprise[otel]'" in ended.stderr
