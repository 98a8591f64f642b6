"""Callers over TLS, with a certificate that is renewed while the proxy runs."""

import asyncio
import io
import json
import shutil
import ssl
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.cli.operating import root_of
from proxy.config import Config
from proxy.errors import ConfigError
from proxy.listening import bound
from proxy.runtime import open_live
from proxy.web.server import listen
from tests.support.origin import ScriptedOrigin
from tests.support.program import chat, process, reloader_of, settings
from tests.support.tls import Authority, Identity
from tests.support.waiting import until

HOST = "localhost"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def tls(identity: Identity, **more: Path) -> dict[str, str]:
    files = {"certificate": identity.certificate, "key": identity.key, **more}
    return {name: str(file) for name, file in files.items()}


@asynccontextmanager
async def secured(
    origin: ScriptedOrigin, directory: Path, **how: str
) -> AsyncIterator[tuple[str, io.StringIO]]:
    """Its address, with a name that certificates can have, and its log."""
    server = {"server": {"tls": how}}
    config = Config.model_validate(settings(origin.url, directory, **server))
    log = io.StringIO()
    async with (
        open_live(config, log) as live,
        listen(reloader_of(live), bound("127.0.0.1", 0)) as url,
    ):
        yield url.replace("127.0.0.1", HOST), log


def trusting(authority: Authority, shown: Identity | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if shown is not None:
        context.load_cert_chain(shown.certificate, shown.key)
    return context


async def served_by(url: str, context: ssl.SSLContext, name: str = HOST) -> bytes:
    """The certificate that a new connection gets, which is asked once; "" names no host."""
    port = int(url.split(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name
    )
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
    return found


async def test_callers_are_answered(
    origin: ScriptedOrigin, tmp_path: Path, authority: Authority
) -> None:
    """Misses, hits and streams, as without TLS."""
    async with (
        secured(origin, tmp_path, **tls(authority.issue(HOST))) as (url, _),
        aiohttp.ClientSession() as http,
    ):
        got = []
        for body in (chat(), chat(), chat(), chat(stream=True)):
            asking = http.post(f"{url}/chat/completions", json=body, ssl=trusting(authority))
            async with asking as reply:
                got.append((reply.status, reply.headers["x-cache"], await reply.read()))

    assert url.startswith("https://")
    assert [(status, cache) for status, cache, _ in got] == [
        (200, "MISS"),
        (200, "HIT"),
        (200, "HIT"),
        (200, "HIT"),
    ]
    assert got[-1][2].endswith(b"data: [DONE]\n\n")


async def test_nothing_older_than_1_2(
    origin: ScriptedOrigin, tmp_path: Path, authority: Authority
) -> None:
    """And nothing in clear."""
    old = trusting(authority)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with secured(origin, tmp_path, **tls(authority.issue(HOST))) as (url, _):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await served_by(url, old)
        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientError):
                await http.get(url.replace("https", "http"))


async def test_a_renewed_certificate_is_used(
    origin: ScriptedOrigin, tmp_path: Path, authority: Authority
) -> None:
    """New connections get it soon; an open one goes on; half of a pair changes nothing."""
    first, second = authority.issue(HOST), Authority(tmp_path / "other").issue(HOST)
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lenient.check_hostname, lenient.verify_mode = False, ssl.CERT_NONE
    async with (
        secured(origin, tmp_path, **tls(first)) as (url, log),
        aiohttp.ClientSession() as http,
    ):
        root = url.removesuffix("/v1")
        async with http.get(f"{root}/healthz", ssl=lenient) as got:
            await got.read()
        before = await served_by(url, lenient)
        await asyncio.to_thread(shutil.copy, second.certificate, first.certificate)
        await until(lambda: "certificate_refused" in log.getvalue(), "refusing half of a pair")
        meanwhile = await served_by(url, lenient)
        await asyncio.to_thread(shutil.copy, second.key, first.key)
        await until(lambda: "certificate_renewed" in log.getvalue(), "renewing")
        after = [await served_by(url, lenient, name) for name in (HOST, "")]
        async with http.get(f"{root}/healthz", ssl=lenient) as again:
            kept_on = again.status

    assert before == meanwhile
    assert after[0] == after[1] != before
    assert kept_on == 200


async def test_callers_must_show_a_certificate(
    origin: ScriptedOrigin, tmp_path: Path, authority: Authority
) -> None:
    """Where an authority for them is named, one of its own."""
    others = Authority(tmp_path / "others")
    how = tls(authority.issue(HOST), client_ca=authority.file)
    async with secured(origin, tmp_path, **how) as (url, _):
        await served_by(url, trusting(authority, authority.issue("caller")))
        for stranger in (None, others.issue("stranger")):
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                await served_by(url, trusting(authority, stranger))


@pytest.mark.parametrize("wrong", ["certificate", "key", "client_ca"])
async def test_files_that_cannot_be_used(
    origin: ScriptedOrigin, tmp_path: Path, authority: Authority, wrong: str
) -> None:
    """The proxy does not start, and says which key is wrong."""
    how: dict[str, Any] = tls(authority.issue(HOST), client_ca=authority.file)
    with pytest.raises(ConfigError) as missing:
        async with secured(origin, tmp_path, **{**how, wrong: str(tmp_path / "nowhere.pem")}):
            pass
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("none")
    with pytest.raises(ConfigError) as unusable:
        async with secured(origin, tmp_path, **{**how, wrong: str(garbage)}):
            pass

    assert missing.value.problems[0].startswith(f"server.tls.{wrong}: ")
    assert unusable.value.problems[0].startswith("server.tls: ")


def test_a_process_says_its_address(
    origin: ScriptedOrigin, tmp_path: Path, authority: Authority
) -> None:
    """As it is to be asked; commands ask it so, too."""
    config = settings(origin.url, tmp_path, server={"tls": tls(authority.issue(HOST))})
    with process(config, tmp_path) as running:
        url = running.url.replace("127.0.0.1", HOST)
        root = url.removesuffix("/v1")
        with urllib.request.urlopen(f"{root}/readyz", context=trusting(authority)) as got:  # noqa: S310
            told = json.load(got)
        status = running.stop()

    assert told["status"] == "ready"
    assert status == 0
    config["server"]["port"] = 8443
    assert root_of(Config.model_validate(config), None) == "https://127.0.0.1:8443"
