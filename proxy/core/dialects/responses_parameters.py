"""Every parameter of `responses.create`, one row each: what it is to the cache, and why.

A test compares the table with the official SDK's parameters.
"""

from typing import Final

from proxy.core.dialects.base import Json
from proxy.core.dialects.parameters import Parameter, Part, is_given, is_on

_LOGPROBS: Final = "message.output_text.logprobs"


def _asks_logprobs(value: object) -> bool:
    return isinstance(value, list) and _LOGPROBS in value


def _is_unpinned(value: object) -> bool:
    """A prompt without a version is whatever its author makes of it tomorrow."""
    return value is not None and not (isinstance(value, dict) and value.get("version"))


def _is_more_than_a_hint(value: object) -> bool:
    """It asks for the origin's cache to be filled, or to be told of."""
    if not isinstance(value, dict):
        return False
    return is_on(value.get("prewarm")) or value.get("comparison_response_id") is not None


_PLAIN = Parameter(Part.SAMPLING, "shapes the answer")

TABLE: Final[dict[str, Parameter]] = {
    "input": Parameter(Part.MESSAGES, "read item by item"),
    "model": Parameter(Part.MODEL),
    "instructions": Parameter(Part.SYSTEM),
    "prompt": Parameter(Part.SYSTEM, "without a version it changes", bypass=_is_unpinned),
    # Tools
    "tools": Parameter(Part.TOOLS, "the answer may be an act: admission decides", default=[]),
    "tool_choice": Parameter(
        Part.TOOLS, "the answer may be an act: admission decides", default="auto"
    ),
    "parallel_tool_calls": Parameter(Part.TOOLS, "shapes the answer", default=True),
    "max_tool_calls": _PLAIN,
    # Sampling and length. temperature and top_p document no default that holds for every model.
    "temperature": _PLAIN,
    "top_p": _PLAIN,
    "max_output_tokens": _PLAIN,
    "reasoning": _PLAIN,
    "truncation": Parameter(Part.SAMPLING, "which turns are read", default="disabled"),
    "context_management": Parameter(Part.SAMPLING, "which turns are read"),
    "image": Parameter(Part.SAMPLING, "how images are read"),
    "access_programs": Parameter(Part.SAMPLING, "what the model may speak of"),
    "top_logprobs": Parameter(Part.SAMPLING, "numbers of this very prompt", exact_only=True),
    # Format
    "text": Parameter(Part.FORMAT, default={"format": {"type": "text"}}),
    "include": Parameter(
        Part.FORMAT, "log-probabilities are of this prompt", default=[], exact_only=_asks_logprobs
    ),
    # Past the cache: the origin is to remember, or remembers
    "background": Parameter(Part.FORMAT, "the answer comes later", bypass=is_on),
    "background_options": Parameter(Part.FORMAT, "the answer comes later", bypass=is_given),
    "conversation": Parameter(Part.FORMAT, "what came before is not told", bypass=is_given),
    "previous_response_id": Parameter(Part.FORMAT, "what came before is not told", bypass=is_given),
    "moderation": Parameter(Part.FORMAT, "a verdict on this very caller", bypass=is_given),
    # Not in the key
    "store": Parameter(Part.NOT_IN_KEY, "true when left out: admission decides"),
    "stream": Parameter(Part.NOT_IN_KEY, "one entry serves both forms"),
    "stream_options": Parameter(Part.NOT_IN_KEY, "how it is delivered"),
    "user": Parameter(Part.NOT_IN_KEY, "names who asks, not what"),
    "safety_identifier": Parameter(Part.NOT_IN_KEY, "names who asks, not what"),
    "metadata": Parameter(Part.NOT_IN_KEY, "labels for the origin's log"),
    "prompt_cache_key": Parameter(Part.NOT_IN_KEY, "where the origin caches, not what it says"),
    "prompt_cache_options": Parameter(
        Part.NOT_IN_KEY, "how the origin caches", bypass=_is_more_than_a_hint
    ),
    "prompt_cache_retention": Parameter(Part.NOT_IN_KEY, "how long the origin caches"),
    "service_tier": Parameter(Part.NOT_IN_KEY, "how fast, not what"),
}

_ECHOED: Final[Json] = {
    "metadata": {},
    "prompt_cache_key": None,
    "prompt_cache_options": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "user": None,
}
"""Parameters that an answer repeats although they are not in its key; and for a caller who gave
none, what the API repeats then, or null where that is the origin's own choice."""


def echoed(body: Json) -> Json:
    """What an answer repeats of this very request."""
    told = {name: body.get(name) for name in _ECHOED}
    if told["service_tier"] == "auto":  # an answer names the tier that it was
        told["service_tier"] = _ECHOED["service_tier"]
    return {name: _ECHOED[name] if value is None else value for name, value in told.items()}
