"""Every parameter of `completions.create`, one row each: what it is to the cache, and why.

A test compares the table with the official SDK's parameters.
"""

from typing import Final

from proxy.core.dialects.parameters import Parameter, Part

_PLAIN = Parameter(Part.SAMPLING, "shapes the answer")

TABLE: Final[dict[str, Parameter]] = {
    "prompt": Parameter(Part.MESSAGES, "the question, where it is one"),
    "model": Parameter(Part.MODEL),
    "suffix": Parameter(Part.FORMAT, "what is written must fit between", exact_only=True),
    "echo": Parameter(
        Part.FORMAT, "the answer repeats this very prompt", default=False, exact_only=True
    ),
    "logprobs": Parameter(Part.FORMAT, "numbers of this very prompt", exact_only=True),
    # Sampling and length. Servers differ in what they take for temperature, top_p and max_tokens.
    "temperature": _PLAIN,
    "top_p": _PLAIN,
    "max_tokens": _PLAIN,
    "frequency_penalty": Parameter(Part.SAMPLING, default=0),
    "presence_penalty": Parameter(Part.SAMPLING, default=0),
    "logit_bias": _PLAIN,
    "seed": Parameter(Part.SAMPLING, "asks for one reproducible answer", exact_only=True),
    "stop": _PLAIN,
    "n": Parameter(Part.SAMPLING, default=1),
    "best_of": Parameter(Part.SAMPLING, "its default depends on n"),
    # Not in the key
    "stream": Parameter(Part.NOT_IN_KEY, "one entry serves both forms"),
    "stream_options": Parameter(Part.NOT_IN_KEY, "honoured at replay"),
    "user": Parameter(Part.NOT_IN_KEY, "names who asks, not what"),
}
