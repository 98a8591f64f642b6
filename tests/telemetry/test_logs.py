"""Log lines."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from proxy.core.model import Outcome, Result, Tier, Usage
from proxy.telemetry.logs import (
    MAX_FIELD_CHARS,
    Format,
    Logs,
    kind_of_reason,
    open_logs,
    request_fields,
)

HIT = Outcome(
    request_id="r1",
    result=Result.HIT,
    api="chat.completions",
    model="gpt-4o",
    tenant="t",
    namespace="docs",
    tier=Tier.VECTOR,
    entry="e1",
    similarity=0.987654,
    probability=0.912345,
    age=12.34,
    ttl=100.0,
    stream=True,
    items=(2, 3),
    usage=Usage(10, 20, estimated=True),
    saved=Usage(10, 10, estimated=True),
    saved_usd=0.00022512345,
    timings={"session": 0.0001, "total": 0.0123456},
)


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """Opening logs routes the root logger: put it back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_request_line() -> None:
    """A request is one JSON line that says how it was answered, by whom and how fast."""
    stream = io.StringIO()
    Logs(open_logs("json", "info", stream)).notice(HIT)
    [line] = written(stream)

    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": "r1",
        "api": "chat.completions",
        "model": "gpt-4o",
        "status": 200,
        "result": "HIT",
        "tier": "vector",
        "similarity": 0.9877,
        "probability": 0.9123,
        "age_s": 12.3,
        "ttl_s": 100.0,
        "stream": True,
        "entry": "e1",
        "tenant": "t",
        "namespace": "docs",
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "tokens_estimated": True,
        "saved_tokens": 20,
        "saved_usd": 0.000225,
        "items": "2/3",
        "ms": {"session": 0.1, "total": 12.346},
    }


def test_every_field_of_an_outcome_is_written() -> None:
    """A field that an outcome gains must be decided about: it is in the line, or here."""
    full = replace(HIT, reason="expired", stored=True, upstream_status=200)
    names = {field.name for field in fields(Outcome)}
    renamed = {"usage", "saved", "age", "ttl", "timings"}
    only_traced = {"starts"}
    only_watched = {"judged", "guard", "question"}

    assert names - renamed - only_traced - only_watched == set(request_fields(full)) & names


@pytest.mark.parametrize(
    ("reason", "similarity", "expected"),
    [
        ("number 5 != 7", 0.97, "number"),
        ("name alice != bob", 0.97, "name"),
        ("neighbour gone", 0.97, "neighbour gone"),
        ("not verified", 0.97, "not verified"),
        ("verifier 0.31 < 0.50", 0.97, "verifier"),
        ("shadow: vector", 0.97, "shadow: vector"),
        ("expired", None, "expired"),
        ("not embedded", None, "not embedded"),
        ("", None, ""),
        (" ", 0.9, ""),
    ],
)
def test_reasons_do_not_quote_questions(
    reason: str, similarity: float | None, expected: str
) -> None:
    """Of a veto only its kind is written: the rest is words of somebody's question."""
    assert expected == kind_of_reason(replace(HIT, reason=reason, similarity=similarity))


def test_server_errors_stand_out() -> None:
    """A 5xx is an error line; a 404 is the caller's and is not."""
    stream = io.StringIO()
    logs = Logs(open_logs("json", "info", stream))
    logs.notice(replace(HIT, status=502))
    logs.notice(replace(HIT, status=404))

    assert [line["level"] for line in written(stream)] == ["error", "info"]


def test_event_line() -> None:
    """An event is a line of its name; trouble is a warning."""
    stream = io.StringIO()
    logs = Logs(open_logs("json", "info", stream))
    logs.event("breaker_opened", stage="shared", reason="late")
    logs.event("breaker_closed", stage="shared")

    opened, closed = written(stream)
    assert (
        opened["event"],
        opened["level"],
        opened["stage"],
        opened["reason"],
    ) == ("breaker_opened", "warning", "shared", "late")
    assert closed["level"] == "info"


def test_fields_are_bounded_and_cannot_rename_the_line() -> None:
    """A long error is cut, and a field called like a part of the line does not take its place."""
    stream = io.StringIO()
    Logs(open_logs("json", "info", stream)).event("x", reason="r" * 10_000, event="y", level=1)
    [line] = written(stream)

    assert (line["event"], line["level"]) == ("x", "info")
    assert len(line["reason"]) == MAX_FIELD_CHARS + 3


def test_one_line_whatever_a_name_holds() -> None:
    """A model name with a newline cannot forge a line (CWE-117)."""
    for log_format in ("json", "console"):
        stream = io.StringIO()
        Logs(open_logs(log_format, "info", stream)).notice(replace(HIT, model="a\nevent=forged"))

        assert len(stream.getvalue().splitlines()) == 1


def test_level() -> None:
    """Lines below the level are not written."""
    stream = io.StringIO()
    logs = Logs(open_logs("json", "warning", stream))
    logs.notice(HIT)
    logs.event("breaker_opened", stage="shared")

    assert [line["event"] for line in written(stream)] == ["breaker_opened"]


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO(), True),
        ("auto", Terminal(), False),
        ("json", Terminal(), True),
        ("console", io.StringIO(), False),
    ],
)
def test_format(log_format: Format, stream: io.StringIO, is_json: bool) -> None:
    """Left to itself it writes for people on a terminal and for machines elsewhere."""
    Logs(open_logs(log_format, "info", stream)).notice(HIT)

    assert is_json == stream.getvalue().startswith("{")
    assert "gpt-4o" in stream.getvalue()


def test_libraries_log_through_the_same_lines() -> None:
    """What aiohttp says is a line of the same form, with its traceback."""
    stream = io.StringIO()
    open_logs("json", "info", stream)
    try:
        int("broken")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error %s", "handling")
    [line] = written(stream)

    assert (
        line["event"],
        line["level"],
        line["logger"],
        line["message"],
    ) == ("log", "error", "aiohttp.server", "Error handling")
    assert "ValueError: invalid literal" in line["exception"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_callers_do_not_steer_the_terminal(log_format: Format) -> None:
    """A model's name that holds an escape sequence is shown as one, and does nothing."""
    stream = io.StringIO()
    logs = Logs(open_logs(log_format, "info", stream))
    logs.notice(replace(HIT, model="a\x1b[2Jb"))
    logs.event("stage_failed", reason="no\x1b]0;use")

    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_tracebacks_hold_no_variables(log_format: Format) -> None:
    """Prompts and keys are in local variables, and those are never written."""
    stream = io.StringIO()
    open_logs(log_format, "debug", stream)
    prompt = "my secret " + "question"
    try:
        len(prompt) // 0
    except ZeroDivisionError:
        logging.getLogger("aiohttp.server").exception("failed")

    assert "ZeroDivisionError" in stream.getvalue()
    assert prompt not in stream.getvalue()


def test_libraries_never_log_details() -> None:
    """At `debug` the OpenAI client writes whole requests: its lines start at `warning`."""
    stream = io.StringIO()
    open_logs("json", "debug", stream)
    logger = logging.getLogger("openai._base_client")
    logger.debug("Request options: prompt")
    logger.info("HTTP Request")
    logger.warning("retrying")

    assert [line["message"] for line in written(stream)] == ["retrying"]


def test_opening_twice_does_not_double_lines() -> None:
    """A reload changes where lines go and how they look, not how many there are."""
    old, new = io.StringIO(), io.StringIO()
    open_logs("json", "info", old)
    open_logs("json", "info", new)
    logging.getLogger("x").warning("once")

    assert old.getvalue() == ""
    assert len(written(new)) == 1
