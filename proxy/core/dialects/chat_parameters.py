"""Every parameter of `chat.completions.create`, one row each: what it is to the cache, and why.

A test compares the table with the official SDK's parameters.
"""

from typing import Final

from proxy.core.dialects.parameters import Parameter, Part, is_given, is_on


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
    "audio": Parameter(Part.FORMAT, "an audio answer refers to a file", bypass=is_given),
    "store": Parameter(Part.NOT_IN_KEY, "the caller wants it in the origin's log", bypass=is_on),
    "web_search_options": Parameter(Part.FORMAT, "the web changes", bypass=is_given),
    "moderation": Parameter(Part.FORMAT, "a verdict on this very caller", bypass=is_given),
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
