"""What operators write: files, URLs, times, and calls of the admin API."""

import tempfile
from pathlib import Path
from urllib.parse import parse_qsl

import yaml
from multidict import MultiDict
from pydantic import ValidationError

from proxy.config import editing, loading, reading, redisurl
from proxy.config.freshness import ScheduledPurge
from proxy.config.interpolation import Interpolation
from proxy.errors import ApiError, BadRequestError, ConfigError
from proxy.web.admin import asked
from proxy.web.admin.entries import Listing
from tests.fuzz.target import Target

FILE = Path(tempfile.mkdtemp()) / "fuzz.yaml"
ENVIRON = {"A": "a", "EMPTY": "", "B": "${A}"}


def _config(data: bytes) -> None:
    FILE.write_bytes(data)
    loading.load(FILE, ENVIRON)


def _interpolation(data: bytes) -> None:
    text = data.decode("latin-1")
    one = Interpolation(ENVIRON)
    filled = one.fill({"a": [text]})["a"][0]
    if "${" not in text:
        assert filled == text


def _editing(data: bytes) -> None:
    """Keys are set in whatever could be read, and all else says what it said."""
    text = data.decode()
    before = yaml.load(text, reading._Loader)  # noqa: S506 - a SafeLoader, without twofold keys
    if not isinstance(before, dict):
        return
    after = yaml.safe_load(editing.with_values(text, {"cache.vector.threshold": 0.5}))
    assert after["cache"]["vector"]["threshold"] == 0.5
    for name in before:
        assert name == "cache" or repr(after[name]) == repr(before[name])


def _redis_url(data: bytes) -> None:
    redisurl.check(data.decode("latin-1"))


def _cron(data: bytes) -> None:
    ScheduledPurge(cron=data.decode("latin-1"), everything=True)


def _invalidation(data: bytes) -> None:
    found = asked.read(lambda: asked.Invalidation.model_validate_json(data))
    if found.like is None:
        found.selector()


def _listing(data: bytes) -> None:
    query = MultiDict(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True))
    asked.read(lambda: Listing.model_validate(asked.once(query))).selector()


TARGETS = (
    Target(
        "config",
        _config,
        (ConfigError,),
        (
            b"cache:\n  ",
            b"server:\n  port: ",
            b"&a ",
            b"*a",
            b"<<: ",
            b"!!int ",
            b"${A}",
            b"- ",
            b"? ",
        ),
    ),
    Target("interpolation", _interpolation, (), (b"${A}", b"${A:-", b"}", b"$${", b"${")),
    Target(
        "editing",
        _editing,
        (ConfigError, yaml.YAMLError, UnicodeDecodeError),
        (b"cache:", b"\n  vector:", b"\n    threshold: ", b"{", b"}", b"# ", b"\n", b"null"),
    ),
    Target(
        "redisurl",
        _redis_url,
        (ValueError,),
        (b"redis://", b"rediss+sentinel://", b"redis+cluster://", b"@", b":", b"[::1]", b"/0"),
    ),
    Target(
        "cron", _cron, (ValidationError,), (b"* ", b"*/5 ", b"L", b"#", b"1-5", b"@daily", b"MON")
    ),
    Target(
        "invalidation",
        _invalidation,
        (BadRequestError,),
        (b'"everything":true', b'"tenant":"t"', b'"ids":["a"]', b'"older_than":1e999', b"{", b"}"),
    ),
    Target("listing", _listing, (ApiError,), (b"tenant=", b"&limit=", b"like=", b"text=", b"%00")),
)
