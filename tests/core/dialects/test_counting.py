"""What origins say of the tokens they bill."""

import pytest

from proxy.core.dialects import choices, counting, responses_answer
from proxy.core.dialects.base import Json
from proxy.core.model import Usage

CHAT = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}}
RESPONSE = {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 6}}


def test_every_api_says_what_it_had_cached() -> None:
    """And the tier of service that it bills, where it names one."""
    billed = Usage(9, 4, cached=6, service_tier="flex")

    assert choices.usage_of({"usage": CHAT, "service_tier": "flex"}) == billed
    assert responses_answer.usage_of({"usage": RESPONSE, "service_tier": "flex"}) == billed
    ended = {"response": {"usage": RESPONSE, "service_tier": "flex"}}
    assert responses_answer.usage_of(ended) == billed


def test_deepseek_says_it_by_another_name() -> None:
    """It has no details."""
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_cache_hit_tokens": 2}

    assert choices.usage_of({"usage": usage}) == Usage(9, 4, cached=2)


@pytest.mark.parametrize(
    ("details", "tier", "expected"),
    [
        (None, None, Usage(9, 4)),
        ({}, 7, Usage(9, 4)),
        ({"cached_tokens": -1}, "x" * 33, Usage(9, 4)),
        ({"cached_tokens": "6"}, [], Usage(9, 4)),
        ({"cached_tokens": 12}, "default", Usage(9, 4, cached=9, service_tier="default")),
    ],
)
def test_what_is_no_count_is_none(details: object, tier: object, expected: Usage) -> None:
    """Nonsense costs no answer, and never more was cached than read."""
    usage = {**CHAT, "prompt_tokens_details": details}

    assert choices.usage_of({"usage": usage, "service_tier": tier}) == expected


@pytest.mark.parametrize(
    ("asked", "tier"),
    [
        ({}, "flex"),
        ({"service_tier": "auto"}, "flex"),
        ({"service_tier": None}, "flex"),
        ({"service_tier": "x" * 33}, "flex"),
        ({"service_tier": "default"}, "default"),
        ({"service_tier": "priority"}, "priority"),
    ],
)
def test_a_hit_is_billed_as_its_own_caller_asks(asked: Json, tier: str) -> None:
    """Whoever filled the entry; where he leaves it open, as the answer was billed."""
    told = counting.as_asked(Usage(9, 4, service_tier="flex"), asked)

    assert told == Usage(9, 4, service_tier=tier)
    assert counting.as_asked(None, asked) is None
