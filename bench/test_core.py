"""What reading a request costs: a chat of 100 KB with a long prompt, 20 turns and 10 tools."""

from typing import Any

import orjson
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from proxy.core.admission import Admission
from proxy.core.canonical import dumps, loads
from proxy.core.dialects.chat import Chat
from proxy.core.directives import Limits, parse
from proxy.core.model import Caller, Directives, Outcome, Result, Scope, Tier
from proxy.core.privacy import personal_data
from proxy.core.reading import Understood, understand
from proxy.core.status import headers

ENGLISH = "The order was sent on Tuesday, and the parcel will arrive within three working days. "
CHINESE = "订单已于星期二发出。包裹将在三个工作日内送达。请耐心等待。谢谢您的支持与理解。"
RULES = Admission(time_words=("today", "right now", "latest", "this week", "this year"))


def tool(number: int) -> dict[str, Any]:
    fields = {
        f"field_{index}": {"type": "number", "minimum": 0.0, "description": ENGLISH}
        for index in range(10)
    }
    schema = {"type": "object", "properties": fields, "required": ["field_0"]}
    return {"type": "function", "function": {"name": f"tool_{number}", "parameters": schema}}


def large(text: str) -> dict[str, Any]:
    size = len(text.encode())
    turns = [
        {"role": role, "content": text * (2000 // size)}
        for _ in range(10)
        for role in ("user", "assistant")
    ]
    return {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": text * (40_000 // size)},
            *turns,
            {"role": "user", "content": "Where is my parcel?"},
        ],
        "tools": [tool(number) for number in range(10)],
        "temperature": 0.2,
    }


def reading(body: dict[str, Any]) -> Understood:
    return understand(
        Chat(),
        body,
        caller=Caller("tenant"),
        asked=Directives(),
        admission=RULES,
        extra={"query": "api-version=2026-01-01"},
    )


SMALL = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "Where is my parcel? " * 24}],
    "temperature": 0.2,
}
"""Of 550 bytes."""


def test_parsing_a_small_body(benchmark: BenchmarkFixture) -> None:
    """Without loss: see `proxy.core.canonical`."""
    assert benchmark(loads, orjson.dumps(SMALL)) == SMALL  # noqa: S101 - a benchmark is a test too


def test_the_canonical_form_of_a_small_body(benchmark: BenchmarkFixture) -> None:
    """One byte string for all that mean the same."""
    assert loads(benchmark(dumps, SMALL)) == SMALL  # noqa: S101 - the same


def test_a_scope_and_a_key(benchmark: BenchmarkFixture) -> None:
    """Two digests."""
    canonical = dumps(SMALL).decode()
    made = benchmark(lambda: Scope("acme", "", "chat", "gpt-4o").key(canonical))
    assert made == Scope("acme", "", "chat", "gpt-4o").key(canonical)  # noqa: S101 - the same


@pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["ascii", "chinese"])
def test_reading_a_large_request(benchmark: BenchmarkFixture, text: str) -> None:
    """Scope, key and admission; parsing the JSON comes before and is not counted."""
    body = large(text)
    benchmark.extra_info["bytes"] = len(orjson.dumps(body))
    assert benchmark(reading, body).bypass is None  # noqa: S101 - a benchmark is a test too


def test_reading_a_small_request(benchmark: BenchmarkFixture) -> None:
    """One short question."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Where is my parcel?"}]}
    assert benchmark(reading, body).bypass is None  # noqa: S101 - the same


def test_admitting_a_large_question(benchmark: BenchmarkFixture) -> None:
    """100 KB of text pasted into a question are searched for words and personal data."""
    question = ENGLISH * 1200
    found = benchmark(
        RULES.narrow, Directives(), question=question, temperature=0.2, has_tools=False
    )
    assert found == (Directives(), "")  # noqa: S101 - the same


def test_personal_data_in_many_numbers(benchmark: BenchmarkFixture) -> None:
    """100 KB of a table: every number may be the beginning of a card or a telephone number."""
    assert benchmark(personal_data, "AB-12; 4111 20.5 555-123 +7\n" * 3800) is None  # noqa: S101


def test_parsing_directives(benchmark: BenchmarkFixture) -> None:
    """Every header that steers the cache."""
    asked = {
        "cache-control": "max-age=60, min-fresh=5, stale-if-error=600",
        "x-cache-threshold": "0.97",
        "x-cache-tags": "docs, faq",
        "x-cache-namespace": "support",
    }
    assert benchmark(parse, asked, Limits(threshold=0.9)).max_age == 60  # noqa: PLR2004, S101


def test_rendering_an_outcome(benchmark: BenchmarkFixture) -> None:
    """The headers of a hit."""
    outcome = Outcome(
        "req_1",
        Result.HIT,
        "chat.completions",
        tier=Tier.VECTOR,
        entry="e" * 32,
        similarity=0.97,
        age=12.0,
        ttl=3600.0,
    )
    assert benchmark(headers, outcome)  # noqa: S101
