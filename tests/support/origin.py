"""A real origin that answers like OpenAI's, or as badly as a test asks.

It has a thread and a loop of its own, so that tests with and without a loop can use it, and so that
a stalled test does not stall it. Everything it is sent is kept, as it came.
"""

import asyncio
import gzip
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

from aiohttp import web

from tests.support import completions, messages, responses, texts, vectors
from tests.support.waiting import until, until_sync

Json = dict[str, Any]
Headers = tuple[tuple[str, str], ...]


class Gate:
    """A place where the origin waits until the test opens it."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def open(self) -> None:
        """Let the origin go on."""
        self._opened.set()

    async def reached(self) -> None:
        """Wait until the origin is there."""
        await until(self._reached.is_set, "the gate's being reached")

    async def pass_through(self) -> None:
        """For the origin: wait here."""
        self._reached.set()
        await until(self._opened.is_set, "the gate's opening")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """How one request is answered; the default is a plain and proper answer.

    Attributes:
        status, headers: Of the reply.
        body: Sent as it is, in place of a completion.
        pieces: The same, piece by piece.
        text: What the completion says, in place of what depends on the request.
        finish: Every choice's finish reason.
        refusal: The completion refuses, with these words.
        calls: The completion calls the first tool offered.
        json: Answer JSON even to a request for a stream.
        sse: Answer with a stream even to a request for JSON.
        no_usage: Say nothing of usage, asked or not.
        usage: What a chat completion says of it, in place of the true counts.
        strict: Refuse `stream_options`, as an origin does that does not know it.
        gzip: Compress the body.
        done: End a stream with `[DONE]`.
        error_frame: An error takes the place of the end marker.
        odd: Comments, CRLF and a blank first block, as the standard allows.
        split: Cut the body into pieces of so many bytes, whatever is in them.
        break_at: Drop the connection before this piece.
        before: Wait there before the head is sent.
        gates: Wait there before the piece of this number.
        pause_s: Between pieces.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes | None = None
    pieces: tuple[bytes, ...] | None = None
    text: str | None = None
    finish: str | None = None
    refusal: str | None = None
    calls: bool = False
    json: bool = False
    sse: bool = False
    no_usage: bool = False
    usage: Json | None = None
    strict: bool = False
    gzip: bool = False
    done: bool = True
    error_frame: bool = False
    odd: bool = False
    split: int | None = None
    break_at: int | None = None
    before: Gate | None = None
    gates: Mapping[int, Gate] = field(default_factory=dict)
    pause_s: float = 0.0


@dataclass(slots=True)
class Received:
    """One request, as it came. `body` grows while it comes; `left` says the sender went away."""

    method: str
    path: str
    headers: Headers
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False
    left: bool = False
    done: bool = False

    def header(self, name: str) -> str | None:
        """The value of the first header of this name."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    @property
    def names(self) -> set[str]:
        """The headers' names in lower case."""
        return {name.lower() for name, _ in self.headers}

    @property
    def json(self) -> Json:
        """The body, parsed."""
        parsed: Json = json.loads(self.body)
        return parsed


Composer = Callable[[Received, Act], tuple[int, str, list[bytes]]]
"""(status, media type, pieces) of an answer."""


class ScriptedOrigin:
    """The server. `acts` are played once each, in order; after them `always` is."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.acts: deque[Act] = deque()
        self.always = Act()
        self.port = 0

    @property
    def url(self) -> str:
        """The base URL, with the version."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def calls(self) -> int:
        """How often it was asked."""
        return len(self.requests)

    def then(self, **act: Any) -> None:
        """One more act."""
        self.acts.append(Act(**act))

    async def asked(self, times: int) -> None:
        """Wait until it was asked so often."""
        await until(lambda: self.calls >= times, f"call {times}")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        received = Received(request.method, request.raw_path, tuple(request.headers.items()))
        act = self.acts.popleft() if self.acts else self.always
        self.requests.append(received)
        try:
            async for piece in request.content.iter_any():
                received.body += piece
            received.whole = True
            return await self._answer(request, received, act)
        except (asyncio.CancelledError, ConnectionResetError):
            received.left = True
            raise
        finally:
            received.done = True

    async def _answer(
        self, request: web.Request, received: Received, act: Act
    ) -> web.StreamResponse:
        if act.before is not None:
            await act.before.pass_through()
        status, headers, pieces = self._composed(received, act)
        response = web.StreamResponse(status=status, headers=list(headers))
        if act.body is not None or act.pieces is None:
            media_type = dict(headers).get("content-type", "")
            if "event-stream" not in media_type:
                response.content_length = sum(map(len, pieces))
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        for number, piece in enumerate(pieces):
            if (gate := act.gates.get(number)) is not None:
                await gate.pass_through()
            if number == act.break_at:
                return self._broken(request, response)
            await response.write(piece)
            if act.pause_s:
                await asyncio.sleep(act.pause_s)
        if act.break_at is not None and act.break_at >= len(pieces):
            return self._broken(request, response)
        await response.write_eof()
        return response

    @staticmethod
    def _broken(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return response

    def _composed(self, received: Received, act: Act) -> tuple[int, Headers, list[bytes]]:
        if act.body is not None or act.pieces is not None:
            pieces = [act.body] if act.body is not None else list(act.pieces or ())
            return act.status, act.headers, pieces
        composed = self._composers.get(received.path.partition("?")[0])
        if composed is None or received.method != "POST":
            told = {"method": received.method, "path": received.path, "bytes": len(received.body)}
            return act.status, (("content-type", "application/json"), *act.headers), [_dump(told)]
        status, media_type, pieces = composed(received, act)
        headers: Headers = (("content-type", media_type), *act.headers)
        if act.gzip:
            pieces = [gzip.compress(b"".join(pieces))]
            headers = (*headers, ("content-encoding", "gzip"))
        if act.split is not None:
            whole = b"".join(pieces)
            pieces = [whole[at : at + act.split] for at in range(0, len(whole), act.split)]
        return status, headers, pieces

    @property
    def _composers(self) -> Mapping[str, Composer]:
        """What answers at a path."""
        return {
            "/v1/chat/completions": self._completed,
            "/v1/responses": self._responded,
            "/v1/completions": self._continued,
            "/v1/embeddings": self._embedded,
            "/v1/messages": self._messaged,
        }

    def _continued(self, received: Received, act: Act) -> tuple[int, str, list[bytes]]:
        """A text completion."""
        body, key = received.json, received.header("authorization") or ""
        answer = texts.completion(body, key, self.calls, act.text, act.finish)
        if act.no_usage:
            del answer["usage"]
        if not (act.sse or (body.get("stream") is True and not act.json)):
            return act.status, "application/json", [_dump(answer)]
        include_usage = (body.get("stream_options") or {}).get("include_usage") is True
        chunks = texts.chunks(answer, include_usage=include_usage and not act.no_usage)
        return act.status, "text/event-stream; charset=utf-8", _events(act, chunks)

    def _embedded(self, received: Received, act: Act) -> tuple[int, str, list[bytes]]:
        """Embeddings; `json` answers floats whatever was asked for."""
        body, key = received.json, received.header("authorization") or ""
        if (problem := vectors.refusal(body)) is not None:
            return 400, "application/json", [_dump(problem)]
        answer = vectors.embeddings(body, key, always_floats=act.json)
        if act.no_usage:
            del answer["usage"]
        return act.status, "application/json", [_dump(answer)]

    def _messaged(self, received: Received, act: Act) -> tuple[int, str, list[bytes]]:
        """A message of Anthropic's."""
        body = received.json
        key = received.header("x-api-key") or received.header("authorization") or ""
        content = messages.content_for(body, self.calls, key=key, text=act.text, calls=act.calls)
        stop = act.finish or ("tool_use" if act.calls else "end_turn")
        answer = messages.message(body, content, self.calls, stop)
        if not (act.sse or (body.get("stream") is True and not act.json)):
            return act.status, "application/json", [_dump(answer)]
        told = list(messages.events(answer))
        if not act.done or act.error_frame:
            told = told[:-1] + ([messages.ERROR] if act.error_frame else [])
        return act.status, "text/event-stream; charset=utf-8", responses.framed(told)

    def _responded(self, received: Received, act: Act) -> tuple[int, str, list[bytes]]:
        """A response, which an act's `finish` gives another status."""
        body, key = received.json, received.header("authorization") or ""
        output = responses.output_for(
            body, self.calls, key=key, text=act.text, calls=act.calls, refusal=act.refusal
        )
        answer = responses.response(body, output, self.calls, act.finish or "completed")
        if act.no_usage:
            answer["usage"] = None
        if not (act.sse or (body.get("stream") is True and not act.json)):
            return act.status, "application/json", [_dump(answer)]
        told = responses.events(answer)
        if not act.done or act.error_frame:
            told = told[:-1] + ([responses.ERROR] if act.error_frame else [])
        return act.status, "text/event-stream; charset=utf-8", responses.framed(told)

    def _completed(self, received: Received, act: Act) -> tuple[int, str, list[bytes]]:
        body = received.json
        if act.strict and "stream_options" in body:
            problem = {"message": "unknown parameter: stream_options", "type": "invalid"}
            return 400, "application/json", [_dump({"error": problem})]
        answer = completions.completion(body, self._choices(received, body, act), self.calls)
        answer["usage"] = act.usage or answer["usage"]
        if act.no_usage:
            del answer["usage"]
        if not (act.sse or (body.get("stream") is True and not act.json)):
            return act.status, "application/json", [_dump(answer)]
        options = body.get("stream_options") or {}
        include_usage = options.get("include_usage") is True and not act.no_usage
        chunks = completions.chunks(answer, include_usage=include_usage)
        return act.status, "text/event-stream; charset=utf-8", _events(act, chunks)

    @staticmethod
    def _choices(received: Received, body: Json, act: Act) -> list[Json]:
        key = received.header("authorization") or ""
        text = act.text if act.text is not None else completions.text_for(body, key)
        choices = [
            completions.calling_choice(body, index)
            if act.calls
            else completions.choice_for(index, text)
            for index in range(body.get("n") or 1)
        ]
        for choice in choices:
            if act.refusal is not None:
                choice["message"].update(content=None, refusal=act.refusal)
            if act.finish is not None:
                choice["finish_reason"] = act.finish
        return choices


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()


def _events(act: Act, chunks: Iterable[Json]) -> list[bytes]:
    payloads = [_dump(chunk) for chunk in chunks]
    if act.error_frame:
        problem = {"message": "overloaded", "type": "server_error", "param": None, "code": None}
        payloads.append(_dump({"error": problem}))
    elif act.done:
        payloads.append(b"[DONE]")
    if not act.odd:
        return [b"data: " + payload + b"\n\n" for payload in payloads]
    events = [b": comment\r\nid: 7\r\ndata:" + payload + b"\r\n\r\n" for payload in payloads]
    return [b": hello\r\n\r\n", *events]


@contextmanager
def scripted_origin() -> Iterator[ScriptedOrigin]:
    """A running origin, on a free port."""
    origin = ScriptedOrigin()
    with started(origin):
        yield origin


@contextmanager
def started(origin: ScriptedOrigin) -> Iterator[None]:
    """Have an origin listen, on a free port."""
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", origin.handle)
        runner = web.AppRunner(
            app,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            shutdown_timeout=0.1,  # whoever is still held at a gate is let go of
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        origin.port = runner.addresses[0][1]
        ready.set()
        await until(stop.is_set, "the test's end", patience_s=inf)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="origin", daemon=True)
    thread.start()
    until_sync(ready.is_set, "the origin's start")
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
