"""`/openapi.json` says what the proxy does: no more, no less, and no otherwise."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from proxy.core import directives, status
from proxy.core.model import Directives
from proxy.web.app import CACHED, make_app
from proxy.web.openapi import ENDPOINTS, METHODS, document
from proxy.web.openapi_parts import CACHE_CONTROL, DIRECTIVES, RESPONSE_HEADERS
from tests.core.builders import json_values
from tests.support.origin import Act, ScriptedOrigin
from tests.support.program import Got, Json, Served, Serving, chat

DOCUMENT = document()
DOCS = Path(__file__).parents[2] / "docs"
FAILURE = b'{"error": {"message": "no", "type": "t", "param": null, "code": "theirs"}}'


def schema_of(path: str, method: str, got: Got) -> Json:
    """The schema of a reply's body, as the document has it for this status and media type."""
    responses = DOCUMENT["paths"][path][method]["responses"]
    told = responses[str(got.status)]
    media_type = got.headers["content-type"].partition(";")[0]
    schema: Json = told["content"][media_type].get("schema", {})
    return schema


def check(path: str, method: str, got: Got) -> None:
    """Hold a reply to the document: status, headers of ours, media type, body."""
    schema = schema_of(path, method, got)
    responses = DOCUMENT["paths"][path][method]["responses"]
    documented = responses[str(got.status)].get("headers", {})
    ours = {name.lower() for name in got.headers} & set(RESPONSE_HEADERS)
    assert ours <= set(documented)
    for name in ours:
        fits(RESPONSE_HEADERS[name][1], got.headers[name])
    if got.headers["content-type"].startswith("application/json"):
        fits(schema, got.json)


def fits(schema: Json, value: object) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole).validate(value)


async def test_every_route_is_described_and_no_other(proxy: Served) -> None:
    """What is served is described, with its method, and what is described is served."""
    served: dict[str, set[str]] = {}
    for route in make_app(proxy.reloader).router.routes():
        assert route.resource is not None
        path = route.resource.canonical.replace("{path:.*}", "{path}")
        served.setdefault(path, set()).add(route.method.lower())
    described = DOCUMENT["paths"]

    assert set(described) == set(served)
    for path, methods in served.items():
        told = set(described[path]) - {"parameters"}
        if path == "/v1/cache/feedback":  # all are taken, so that none is passed through
            assert told == {"post"}
        elif methods == {"*"}:
            assert told == set(METHODS)
        else:
            assert told == methods - {"head"}


async def test_it_is_an_openapi_document(proxy: Served) -> None:
    """Served as JSON, to anybody; every reference in it leads somewhere."""
    got = await proxy.get("/openapi.json")
    references = re.findall(r'"#/([^"]+)"', got.body.decode())

    assert (got.status, got.headers["content-type"]) == (200, "application/json")
    assert got.json["openapi"] == "3.1.0"
    assert references
    for reference in references:
        found: Any = got.json
        for part in reference.split("/"):
            found = found[part]
        assert found


def test_every_cached_endpoint_has_its_parameters() -> None:
    """Each parameter the cache knows is there, with what it is to the cache."""
    assert set(ENDPOINTS) == set(CACHED)
    for path, endpoint in ENDPOINTS.items():
        body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        properties = body["schema"]["properties"]
        assert set(properties) == set(endpoint.table)
        assert properties["model"] == {"description": "In the key (model)."}


def test_every_request_header_of_ours_is_described() -> None:
    """Each can be given to every cached endpoint."""
    assert set(DIRECTIVES) == directives.NAMES | {"cache-control"}
    for path in CACHED:
        given_ = DOCUMENT["paths"][path]["post"]["parameters"]
        assert {one["$ref"].rpartition("/")[2] for one in given_} == set(DIRECTIVES)


def test_every_response_header_of_ours_is_described() -> None:
    """Whatever `core.status` can write has a meaning."""
    written = re.findall(r'\("([a-z-]+)", ', inspect.getsource(status.headers))

    assert set(RESPONSE_HEADERS) == set(written)


@pytest.mark.parametrize("name", CACHE_CONTROL)
def test_cache_controls_directives_are_known(name: str) -> None:
    """A directive that is described has an effect, and the pages describe it too."""
    asked = {
        directives.parse({"cache-control": value})
        for value in (name, f"{name}=7")
        if not (value == name and name in {"max-age", "min-fresh", "stale-if-error"})
    }

    assert Directives() not in asked
    assert f"| `{name}" in (DOCS / "headers.md").read_text()


@given(st.data())
def test_header_values_that_fit_are_taken(data: st.DataObject) -> None:
    """A value that the document allows is never refused."""
    name = data.draw(st.sampled_from(sorted(set(DIRECTIVES) - {"cache-control"})))
    schema = DIRECTIVES[name][1]
    fitting = (
        st.sampled_from(schema["enum"])
        if "enum" in schema
        else st.from_regex(re.compile(schema["pattern"], re.ASCII), fullmatch=True)
    )
    headers = {name: data.draw(fitting).rstrip("\n")}

    directives.parse(headers)
    directives.session(headers)


async def test_own_endpoints_answer_as_described(semantic: Served) -> None:
    """Liveness, readiness, metrics and this document, in the media types that can be asked for."""
    for path in ("/healthz", "/readyz", "/openapi.json", "/metrics"):
        check(path, "get", await semantic.get(path))
    openmetrics = "application/openmetrics-text; version=1.0.0"
    check("/metrics", "get", await semantic.get("/metrics", accept=openmetrics))
    for path in ("/healthz", "/readyz", "/openapi.json", "/metrics"):
        async with semantic.http.post(f"{semantic.root}{path}") as got:
            check(path, "get", Got(got.status, got.headers, await got.read()))
            assert got.status == 405


async def test_feedback_answers_as_described(semantic: Served) -> None:
    """What is taken, what is not understood, and what is not known."""
    path = "/v1/cache/feedback"
    first = await semantic.post(chat())
    hit = await semantic.post(chat())
    bodies: list[Json] = [
        {"request_id": hit.headers["x-request-id"], "verdict": "bad"},
        {"entry_id": first.headers["x-cache-entry"], "verdict": "good", "request_id": None},
        {"request_id": "req_none", "verdict": "good"},
        {"verdict": "good"},
        {"request_id": "a", "entry_id": "b", "verdict": "good"},
        {"request_id": "a", "verdict": "fine"},
    ]
    got = [await semantic.post(body, to="/cache/feedback") for body in bodies]
    schema = DOCUMENT["components"]["schemas"]["Feedback"]

    assert [one.status for one in got] == [200, 200, 404, 400, 400, 400]
    for body, one in zip(bodies, got, strict=True):
        check(path, "post", one)
        assert jsonschema_rs.is_valid(schema, body) == (one.status != 400)


@pytest.mark.parametrize("to", ["/chat/completions", "/embeddings", "/messages"])
async def test_refusals_are_as_described(serving: Serving, origin: ScriptedOrigin, to: str) -> None:
    """The proxy's own errors have the shape, status and headers that the document tells."""
    path = f"/v1{to}"
    asked = chat(input="x")
    async with serving(server={"max_body_bytes": 2048}, upstream={"connect_timeout_s": 1}) as proxy:
        got = [
            await proxy.post(b"[]", to=to),
            await proxy.post(asked, to=to, x_cache_mode="none"),
            await proxy.post(asked, to=to, cache_control="only-if-cached"),
            await proxy.post(chat("a" * 3000), to=to),
        ]
    shape = "AnthropicError" if to == "/messages" else "Error"

    assert [one.status for one in got] == [400, 400, 504, 413]
    assert origin.calls == 0
    for one in got:
        check(path, "post", one)
        fits({"$ref": f"#/components/schemas/{shape}"}, one.json)


async def test_answers_are_as_described(semantic: Served) -> None:
    """A miss, a hit, one by another question, a stream: no header of ours goes undescribed."""
    path = "/v1/chat/completions"
    got = [
        await semantic.post(chat("How do I reset my password?")),
        await semantic.post(chat("How do I reset my password?")),
        await semantic.post(chat("how can I reset my password")),
        await semantic.post(chat("How do I reset my password?", stream=True)),
        await semantic.post(chat("How do I reset my password?", store=True)),
    ]
    batch = await semantic.post({"model": "m", "input": ["a", "b"]}, to="/embeddings")
    examples = {
        path: await semantic.post(one.example, to=path.removeprefix("/v1"))
        for path, one in ENDPOINTS.items()
    }

    assert [one.cache for one in got] == ["MISS", "HIT", "HIT", "HIT", "BYPASS"]
    for one in got:
        check(path, "post", one)
    check("/v1/embeddings", "post", batch)
    for path, one in examples.items():
        check(path, "post", one)
        assert (one.status, one.cache) == (200, "MISS")


async def test_an_unreachable_origin_is_as_described(serving: Serving) -> None:
    """502, in our shape."""
    dead = {"base_url": "http://127.0.0.1:9/v1"}
    async with serving(upstream=dead) as proxy:
        for path in CACHED:
            got = await proxy.post(chat(input="x"), to=path.removeprefix("/v1"))
            assert got.status == 502
            check(path, "post", got)


odd: st.SearchStrategy[Any] = st.sampled_from(
    [{}, [], "", "text", 7, -1, True, None, [{}], [{"role": "user", "content": "Hi"}], [[1]], ["a"]]
)


@st.composite
def requests(draw: Any) -> tuple[str, bytes]:
    """(path, body): known names with values that are often of no right type."""
    path = draw(st.sampled_from(sorted(ENDPOINTS)))
    names = st.sampled_from(sorted(ENDPOINTS[path].table))
    body: Json = draw(st.dictionaries(names, odd | json_values, max_size=5))
    body |= draw(st.sampled_from([{}, {"model": "m"}, {"model": "m", "stream": True}]))
    raw: bytes = json.dumps(body).encode()
    return path, draw(st.sampled_from([raw, raw, raw, raw, raw[:-1], raw[1:]]))


@hypothesis_settings(
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(asked=requests(), mode=st.sampled_from(["semantic", "exact", "shadow", "off", "?"]))
async def test_bad_input_is_refused_here_or_by_the_origin(
    proxy: Served, origin: ScriptedOrigin, asked: tuple[str, bytes], mode: str
) -> None:
    """Never a 5xx: 4xx in the shape of the API where the origin was not asked, else its word."""
    path, raw = asked
    origin.always = Act(status=400, body=FAILURE, headers=(("content-type", "application/json"),))
    calls = origin.calls
    got = await proxy.post(raw, to=path.removeprefix("/v1"), x_cache_mode=mode)

    assert got.status == 400
    check(path, "post", got)
    if origin.calls == calls:
        shape = "AnthropicError" if path == "/v1/messages" else "Error"
        fits({"$ref": f"#/components/schemas/{shape}"}, got.json)
    else:
        assert got.body == FAILURE
