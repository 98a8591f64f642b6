"""Every parameter of `embeddings.create`, one row each: what it is to the cache, and why.

A test compares the table with the official SDK's parameters.
"""

from typing import Final

from proxy.core.dialects.parameters import Parameter, Part

TABLE: Final[dict[str, Parameter]] = {
    "input": Parameter(Part.MESSAGES, "looked up input by input"),
    "model": Parameter(Part.MODEL),
    "dimensions": Parameter(Part.FORMAT, "how long a vector is asked for"),
    "encoding_format": Parameter(
        Part.NOT_IN_KEY,
        "one entry serves both forms; others than OpenAI's two are not the same numbers",
        bypass=lambda value: value not in (None, "float", "base64"),
    ),
    "user": Parameter(Part.NOT_IN_KEY, "names who asks, not what"),
}
