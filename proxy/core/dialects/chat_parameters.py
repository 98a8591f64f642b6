"""Every parameter of `chat.completions.create`, one row each: what it is to the cache, and why.

A parameter that is not in the table is part of the key: what a provider invents tomorrow may
change the answer. A test compares the table with the official SDK's parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Part(StrEnum):
    """Where a parameter goes."""

    MESSAGES = "messages"
    MODEL = "model"
    TOOLS = "tools"
    SAMPLING = "sampling"
    FORMAT = "format"
    NOT_IN_KEY = "not in key"


_NO_DEFAULT: Final = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row.

    Attributes:
        part: Which part of the scope it belongs to.
        why: The reason for what is special about it.
        default: The value that the API documents for its absence, where it documents one.
        exact_only: With it, no other question's answer may serve.
        bypass: Which of its values take the request past the cache altogether.
    """

    part: Part
    why: str = ""
    default: Any = _NO_DEFAULT
    exact_only: bool = False
    bypass: Callable[[Any], bool] = lambda _value: False

    def is_default(self, value: object) -> bool:
        """Whether the value says what its absence says; `null` is absence, `false` is not `0`."""
        if isinstance(value, bool) or isinstance(self.default, bool):
            return value is None or value is self.default
        return value is None or value == self.default


def _is_on(value: object) -> bool:
    """A lenient origin takes `1` or `"true"` for true."""
    return value is not None and value is not False


def _is_given(value: object) -> bool:
    return value is not None


def _has_audio(value: object) -> bool:
    return isinstance(value, list) and "audio" in value


_PLAIN = Parameter(Part.SAMPLING, "shapes the answer")

TABLE: Final[dict[str, Parameter]] = {
    "messages": Parameter(Part.MESSAGES, "read message by message"),
    "model": Parameter(Part.MODEL),
    # Tools
    "tools": Parameter(Part.TOOLS, "the answer may be an act: admission decides"),
    "tool_choice": Parameter(Part.TOOLS, "the answer may be an act: admission decides"),
    "parallel_tool_calls": Parameter(Part.TOOLS, "shapes the answer"),
    "functions": Parameter(Part.TOOLS, "the answer may be an act: admission decides"),
    "function_call": Parameter(Part.TOOLS, "the answer may be an act: admission decides"),
    # Sampling and length. temperature and top_p document no default that holds for every model.
    "temperature": _PLAIN,
    "top_p": _PLAIN,
    "frequency_penalty": Parameter(Part.SAMPLING, default=0),
    "presence_penalty": Parameter(Part.SAMPLING, default=0),
    "logit_bias": _PLAIN,
    "seed": Parameter(Part.SAMPLING, "asks for one reproducible answer", exact_only=True),
    "stop": _PLAIN,
    "n": Parameter(Part.SAMPLING, default=1),
    "max_tokens": _PLAIN,
    "max_completion_tokens": _PLAIN,
    "logprobs": Parameter(
        Part.SAMPLING, "numbers of this very prompt", default=False, exact_only=True
    ),
    "top_logprobs": Parameter(Part.SAMPLING, "numbers of this very prompt", exact_only=True),
    "reasoning_effort": _PLAIN,
    "verbosity": _PLAIN,
    "prediction": _PLAIN,
    # Format
    "response_format": Parameter(Part.FORMAT),
    "modalities": Parameter(Part.FORMAT, "audio is passed through", bypass=_has_audio),
    # Past the cache
    "audio": Parameter(Part.FORMAT, "an audio answer refers to a file", bypass=_is_given),
    "store": Parameter(Part.NOT_IN_KEY, "the caller wants it in the origin's log", bypass=_is_on),
    "web_search_options": Parameter(Part.FORMAT, "the web changes", bypass=_is_given),
    "moderation": Parameter(Part.FORMAT, "a verdict on this very caller", bypass=_is_given),
    # Not in the key
    "stream": Parameter(Part.NOT_IN_KEY, "one entry serves both forms"),
    "stream_options": Parameter(Part.NOT_IN_KEY, "honoured at replay"),
    "user": Parameter(Part.NOT_IN_KEY, "names who asks, not what"),
    "safety_identifier": Parameter(Part.NOT_IN_KEY, "names who asks, not what"),
    "metadata": Parameter(Part.NOT_IN_KEY, "labels for the origin's log"),
    "prompt_cache_key": Parameter(Part.NOT_IN_KEY, "where the origin caches, not what it says"),
    "prompt_cache_options": Parameter(Part.NOT_IN_KEY, "how the origin caches"),
    "prompt_cache_retention": Parameter(Part.NOT_IN_KEY, "how long the origin caches"),
    "service_tier": Parameter(Part.NOT_IN_KEY, "how fast, not what"),
}
