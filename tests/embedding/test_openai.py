"""The embedder behind OpenAI's API: the real client against a small real server."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import numpy as np
import orjson
import pytest
from aiohttp import web

from proxy.core.model import Usage
from proxy.core.spending import Part
from proxy.embedding.openai import OpenAiEmbedder
from proxy.errors import ConfigError, TierError

Answer = Callable[[dict[str, Any]], web.Response]


class Bill:
    """A ledger that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[Part, str, Usage]] = []

    def spent(self, part: Part, model: str, usage: Usage) -> None:
        self.lines.append((part, model, usage))


class Server:
    """An embeddings API with vectors of length 4, shortened on demand, that can be told to fail."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.next: list[Answer] = []
        self.always: Answer = whole
        self.delay_s = 0.0
        self.was_asked = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        self.asked.append(body)
        self.was_asked.set()
        self.headers.append(dict(request.headers))
        await asyncio.sleep(self.delay_s)
        answer = self.next.pop(0) if self.next else self.always
        return answer(body)


def whole(body: dict[str, Any]) -> web.Response:
    numbers = np.array([3, 0, 4, 0][: body.get("dimensions", 4)], "<f4")
    return embedding(base64.b64encode(numbers.tobytes()).decode())


def embedding(value: object) -> web.Response:
    data = [{"object": "embedding", "index": 0, "embedding": value}]
    return web.json_response({"object": "list", "data": data, "model": "m", "usage": {}})


def packed(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


def status(code: int) -> Answer:
    def answer(_: dict[str, Any]) -> web.Response:
        error = {"error": {"message": "the secret prompt", "type": "x"}}
        return web.json_response(error, status=code, headers={"retry-after-ms": "1"})

    return answer


def always(response: Callable[[], web.Response]) -> Answer:
    return lambda _: response()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/v1/embeddings", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/v1"
    yield server
    await runner.cleanup()


def build(server: Server, **changes: Any) -> OpenAiEmbedder:
    given: dict[str, Any] = {
        "base_url": server.url,
        "api_key": "sk-secret",
        "model": "m",
        "dimensions": 4,
        "timeout_s": 5.0,
        "max_retries": 1,
    }
    return OpenAiEmbedder(**{**given, **changes})


@pytest.fixture
async def embedder(server: Server) -> AsyncIterator[OpenAiEmbedder]:
    embedder = build(server)
    await embedder.start()
    server.asked.clear()
    server.was_asked.clear()
    yield embedder
    await embedder.close()


# A vector


async def test_every_call_is_billed(server: Server) -> None:
    """The start's and a refused text's as well as far as the server says; nonsense is nothing."""
    bill = Bill()
    embedder = build(server, ledger=bill, max_retries=0)
    await embedder.start()
    for usage in ({"prompt_tokens": 7, "total_tokens": 7}, {"prompt_tokens": "many"}, None):
        server.next = [partial(counted, usage)]
        assert await embedder.embed("hello") is not None
    server.next = [status(400)]
    assert await embedder.embed("hello") is None
    await embedder.close()

    assert bill.lines == [(Part.EMBEDDER, "m", Usage(n, 0)) for n in (0, 7, 0, 0)]


def counted(usage: object, body: dict[str, Any]) -> web.Response:
    answer = whole(body)
    assert isinstance(answer.body, bytes)
    return web.json_response({**orjson.loads(answer.body), "usage": usage})


async def test_vector_is_scaled_and_read_only(embedder: OpenAiEmbedder, server: Server) -> None:
    """Whatever length the server's vector has, ours is 1."""
    vector = await embedder.embed("hello")

    assert vector is not None
    assert np.float32 == vector.dtype
    assert pytest.approx([0.6, 0, 0.8, 0]) == vector.tolist()
    assert not vector.flags.writeable
    assert server.asked == [{"input": "hello", "model": "m", "encoding_format": "base64"}]
    assert server.headers[-1]["Authorization"] == "Bearer sk-secret"


async def test_plain_numbers_are_taken_too(embedder: OpenAiEmbedder, server: Server) -> None:
    """A server that ignores base64 is understood."""
    server.always = always(lambda: embedding([3, 0, 4, 0]))
    vector = await embedder.embed("hello")

    assert vector is not None
    assert pytest.approx([0.6, 0, 0.8, 0]) == vector.tolist()


async def test_huge_numbers_are_scaled(embedder: OpenAiEmbedder, server: Server) -> None:
    """Squares that no float holds do not make a vector endless."""
    server.always = always(lambda: embedding(packed(3e38, 0, 0, 0)))
    vector = await embedder.embed("hello")

    assert vector is not None
    assert vector.tolist() == [1, 0, 0, 0]


async def test_no_key_sends_no_credential(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's key is meant for another server, and is not sent to this one."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin")
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project")
    embedder = build(server, api_key=None)
    await embedder.start()
    await embedder.close()

    (headers,) = server.headers
    assert not {"Authorization", "OpenAI-Organization", "OpenAI-Project"} & set(headers)


# Its name and length


def test_id_names_model_length_and_server() -> None:
    """The same model's name on two servers may be two models; a password is no part of it."""
    embedder = OpenAiEmbedder(
        base_url="https://me:pw@Example.com:8443/v1/", api_key=None, model="m", dimensions=4
    )

    assert embedder.id == "openai:m:4:example.com:8443/v1"
    assert embedder.dimension == 4


def test_published_models_need_no_length() -> None:
    """OpenAI's own models have a length everybody knows."""
    embedder = OpenAiEmbedder(
        base_url="https://api.openai.com/v1", api_key="k", model="text-embedding-3-large"
    )

    assert embedder.dimension == 3072
    assert embedder.id == "openai:text-embedding-3-large:3072:api.openai.com/v1"


def test_other_models_need_their_length() -> None:
    """An unknown model without a length is the operator's fault, told at once."""
    with pytest.raises(ConfigError, match=r"embedder\.openai\.dimensions"):
        OpenAiEmbedder(base_url="http://localhost/v1", api_key=None, model="my-model")


async def test_own_length_is_not_asked_for(embedder: OpenAiEmbedder, server: Server) -> None:
    """Servers that refuse `dimensions` never see it when their vectors are right already."""
    await embedder.embed("hello")

    assert all("dimensions" not in body for body in server.asked)


async def test_shorter_length_is_asked_for(server: Server) -> None:
    """A model that can shorten its vectors is told to."""
    embedder = build(server, dimensions=3)
    await embedder.start()
    vector = await embedder.embed("hello")
    await embedder.close()

    assert vector is not None
    assert vector.shape == (3,)
    assert [body.get("dimensions") for body in server.asked] == [None, 3, 3]


async def test_length_the_server_has_not_fails_start(server: Server) -> None:
    """A configured length that the model cannot give is found at start."""
    embedder = build(server, dimensions=5)

    with pytest.raises(TierError, match="length 4, not 5"):
        await embedder.start()
    await embedder.close()


# What has no vector


@pytest.mark.parametrize("text", ["", " \n", "a\ud800", "x" * 8192, "é" * 4096])
async def test_unfit_text_is_not_sent(embedder: OpenAiEmbedder, server: Server, text: str) -> None:
    """Blank, no Unicode, or possibly longer than the model reads: None without a call."""
    assert await embedder.embed(text) is None
    assert server.asked == []


async def test_longest_text_is_sent(embedder: OpenAiEmbedder) -> None:
    """The bound itself is within it."""
    assert await embedder.embed("x" * 8191) is not None


@pytest.mark.parametrize("code", [400, 413, 422])
async def test_refused_text_has_no_vector(
    embedder: OpenAiEmbedder, server: Server, code: int
) -> None:
    """A text the server will not embed is no fault of the part, and is counted."""
    server.next = [status(code)]

    assert await embedder.embed("hello") is None
    assert embedder.refused == 1
    assert await embedder.embed("hello") is not None


# Faults


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(lambda: embedding(packed(1, 2, 3)), id="too short"),
        pytest.param(lambda: embedding(packed(1, 2, 3, 4, 5)), id="too long"),
        pytest.param(lambda: embedding(packed(float("nan"), 0, 0, 0)), id="not a number"),
        pytest.param(lambda: embedding(packed(float("inf"), 0, 0, 0)), id="infinite"),
        pytest.param(lambda: embedding(packed(0, 0, 0, 0)), id="zero"),
        pytest.param(lambda: embedding("AAA"), id="broken base64"),
        pytest.param(lambda: embedding("AAAA"), id="half a number"),
        pytest.param(lambda: embedding(""), id="empty"),
        pytest.param(lambda: embedding(None), id="null"),
        pytest.param(lambda: embedding([[1, 2, 3, 4]]), id="nested"),
        pytest.param(lambda: embedding([1, [2], 3, 4]), id="ragged"),
        pytest.param(lambda: embedding(["a", "b", "c", "d"]), id="words"),
        pytest.param(lambda: embedding({"a": 1}), id="object"),
        pytest.param(lambda: web.json_response({"data": []}), id="no data"),
        pytest.param(lambda: web.json_response({"data": [1, 2]}), id="two data"),
        pytest.param(lambda: web.json_response({"data": [7]}), id="a number as data"),
        pytest.param(lambda: web.json_response({"data": "x"}), id="a word as data"),
        pytest.param(lambda: web.json_response([]), id="a list"),
        pytest.param(lambda: web.json_response(None), id="nothing"),
        pytest.param(lambda: web.Response(text="<html>", content_type="text/html"), id="a page"),
        pytest.param(
            lambda: web.Response(text="{", content_type="application/json"), id="broken JSON"
        ),
    ],
)
async def test_answer_that_is_no_vector_is_the_tiers_fault(
    embedder: OpenAiEmbedder, server: Server, response: Callable[[], web.Response]
) -> None:
    """Nothing a server answers becomes a vector without being one, and nothing else is raised."""
    server.always = always(response)
    with pytest.raises(TierError):
        await embedder.embed("hello")
    server.always = whole

    assert await embedder.embed("hello") is not None


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_passing_failure_is_tried_again(
    embedder: OpenAiEmbedder, server: Server, code: int
) -> None:
    """One failure that may pass is not noticed."""
    server.next = [status(code)]

    assert await embedder.embed("hello") is not None
    assert len(server.asked) == 2


@pytest.mark.parametrize(("code", "calls"), [(500, 2), (429, 2), (401, 1), (403, 1), (404, 1)])
async def test_lasting_failure_is_a_tier_error_and_passes(
    embedder: OpenAiEmbedder, server: Server, code: int, calls: int
) -> None:
    """Tries are bounded, the error says the status and no prompt or key, and recovery is seen."""
    server.always = status(code)
    with pytest.raises(TierError) as caught:
        await embedder.embed("hello")

    assert calls == len(server.asked)
    assert f"m: status {code}" == str(caught.value)

    server.always = whole

    assert await embedder.embed("hello") is not None


async def test_slow_server_is_late(server: Server) -> None:
    """A server that does not answer in time is the tier's fault, and is used again when it does."""
    embedder = build(server, timeout_s=0.1, max_retries=0)
    server.delay_s = 5
    with pytest.raises(TierError):
        await embedder.start()
    server.delay_s = 0
    embedder._timeout_s = 5.0
    await embedder.start()

    assert await embedder.embed("hello") is not None
    await embedder.close()


async def test_unreachable_server_fails_start_and_a_later_start_succeeds(server: Server) -> None:
    """A server that is down at start is taken up by the next start."""
    embedder = build(server, max_retries=0)
    server.always = status(503)
    with pytest.raises(TierError, match="503"):
        await embedder.start()
    with pytest.raises(TierError, match="not started"):
        await embedder.embed("hello")
    server.always = whole
    await embedder.start()

    assert await embedder.embed("hello") is not None
    await embedder.close()


async def test_no_server_is_a_tier_error() -> None:
    """A refused connection is the tier's fault."""
    embedder = OpenAiEmbedder(
        base_url="http://127.0.0.1:9/v1", api_key=None, model="m", dimensions=4, max_retries=0
    )
    with pytest.raises(TierError, match="APIConnectionError"):
        await embedder.start()
    await embedder.close()


async def test_refusal_at_start_is_a_fault(server: Server) -> None:
    """A probe the server refuses shows a wrong model or setting, not a wrong text."""
    embedder = build(server)
    server.always = status(400)
    with pytest.raises(TierError, match="400"):
        await embedder.start()
    await embedder.close()


async def test_start_again_proves_the_server(embedder: OpenAiEmbedder, server: Server) -> None:
    """A started embedder asks the server once more, so a probe is worth something."""
    await embedder.start()
    assert len(server.asked) == 1

    server.always = status(503)
    with pytest.raises(TierError, match="503"):
        await embedder.start()


async def test_close_ends_a_call_under_way(embedder: OpenAiEmbedder, server: Server) -> None:
    """Nobody hangs after close, and a closed embedder says so."""
    server.delay_s = 30
    asked = asyncio.gather(embedder.embed("hello"), return_exceptions=True)
    await server.was_asked.wait()
    await embedder.close()
    (outcome,) = await asyncio.wait_for(asked, 20)

    assert isinstance(outcome, TierError)
    with pytest.raises(TierError, match="not started"):
        await embedder.embed("hello")


async def test_cancelled_call_leaves_the_client_usable(
    embedder: OpenAiEmbedder, server: Server
) -> None:
    """A deadline that ends one call does not harm the next."""
    server.delay_s = 30
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await embedder.embed("hello")
    server.delay_s = 0

    assert await embedder.embed("hello") is not None
