"""How many tokens an origin says it bills, and at which rate."""

from dataclasses import replace
from typing import Final

from proxy.core.dialects.base import Json, is_count
from proxy.core.model import Usage

_LONGEST_TIER: Final = 32
"""Characters of a name; a longer one is no tier of service."""


def counted(
    prompt: object, completion: object, cached: object = None, tier: object = None
) -> Usage | None:
    """The tokens, as an origin told them; None when it told none.

    Args:
        prompt: All that was read.
        completion: All that was said.
        cached: Of the prompt, what came from the origin's own cache; what is no count is none.
        tier: The tier of service; what is no name is none.
    """
    if not (is_count(prompt) and is_count(completion)):
        return None
    is_name = isinstance(tier, str) and len(tier) <= _LONGEST_TIER
    return Usage(
        prompt,
        completion,
        cached=min(cached, prompt) if is_count(cached) else 0,
        service_tier=str(tier) if is_name else "",
    )


def cached_in(usage: Json, details: str) -> object:
    """What OpenAI's `cached_tokens` says, or DeepSeek's field of the same meaning.

    Args:
        usage: An answer's usage.
        details: The field that takes the prompt's tokens apart.
    """
    parts = usage.get(details)
    told = parts.get("cached_tokens") if isinstance(parts, dict) else None
    return usage.get("prompt_cache_hit_tokens") if told is None else told


def as_asked(usage: Usage | None, body: Json) -> Usage | None:
    """An answer's tokens, billed as this request asks; as before where it leaves that open."""
    asked = body.get("service_tier")
    is_named = isinstance(asked, str) and asked != "auto" and len(asked) <= _LONGEST_TIER
    if usage is None or not is_named:
        return usage
    return replace(usage, service_tier=str(asked))
