"""What the scripted origin says to an embeddings request.

Vectors are a function of everything that must be part of an input's key, so a wrong hit is visible
as a wrong vector.
"""

import base64
import hashlib
import json
from typing import Any

import numpy as np

Json = dict[str, Any]

DIMENSION = 8
REFUSED = "refuse me"
"""An input that the origin refuses, naming its place."""


def inputs_of(body: Json) -> list[Any]:
    """The inputs, each a text or token ids."""
    asked = body["input"]
    return asked if isinstance(asked, list) and not isinstance(asked[0], int) else [asked]


def tokens_of(asked: Any) -> int:
    """How many tokens the origin counts in an input."""
    return len(asked) if isinstance(asked, list) else len(asked.split()) + 1


def vector_for(body: Json, asked: Any, key: str) -> Any:
    """An input's vector, float32."""
    length = body.get("dimensions") or DIMENSION
    seed = hashlib.sha256(json.dumps([body["model"], asked, length, key]).encode()).digest()
    return np.random.default_rng(list(seed)).standard_normal(length).astype("<f4")


def refusal(body: Json) -> Json | None:
    """The error that one input causes; None when none does."""
    for place, asked in enumerate(inputs_of(body)):
        if asked == REFUSED:
            message = f"'$.input[{place}]' is invalid."
            error = {"message": message, "type": "invalid_request_error", "param": None}
            return {"error": {**error, "code": None}}
    return None


def embeddings(body: Json, key: str, *, always_floats: bool = False) -> Json:
    """The whole answer."""
    is_coded = body.get("encoding_format") == "base64" and not always_floats
    data = []
    for index, asked in enumerate(inputs_of(body)):
        vector = vector_for(body, asked, key)
        coded = base64.b64encode(vector.tobytes()).decode()
        told = coded if is_coded else [float(number) for number in vector]
        data.append({"object": "embedding", "index": index, "embedding": told})
    count = sum(map(tokens_of, inputs_of(body)))
    usage = {
        "prompt_tokens": count,
        "total_tokens": count,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}
