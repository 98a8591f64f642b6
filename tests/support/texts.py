"""What the scripted origin says to a text completion request.

The text is a function of everything that must be part of the key, so a wrong hit is visible as a
wrong text.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

NOT_IN_TEXT = frozenset({"stream", "stream_options", "user"})
"""What may differ between two requests that have the same answer."""


def prompts_of(body: Json) -> list[Any]:
    """The prompts, each a text or token ids."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):
        return prompt
    return [prompt]


def text_for(body: Json, key: str, index: int) -> str:
    """A choice's text: a digest of all that it depends on."""
    said = {name: value for name, value in body.items() if name not in NOT_IN_TEXT}
    marked = json.dumps([said, key, index], sort_keys=True).encode()
    text = f" It is {hashlib.sha256(marked).hexdigest()[:12]}, as I said."
    return f"{prompts_of(body)[0]}{text}" if body.get("echo") else text


def completion(body: Json, key: str, number: int, text: str | None, finish: str | None) -> Json:
    """The whole answer: `n` choices for each prompt."""
    count = len(prompts_of(body)) * (body.get("n") or 1)
    texts = [text_for(body, key, index) if text is None else text for index in range(count)]
    choices = [
        {
            "text": said,
            "index": index,
            "logprobs": _logprobs(said) if body.get("logprobs") is not None else None,
            "finish_reason": finish or "stop",
        }
        for index, said in enumerate(texts)
    ]
    asked, said_tokens = len(str(body.get("prompt")).split()), sum(len(t.split()) for t in texts)
    return {
        "id": f"cmpl-origin-{number}",
        "object": "text_completion",
        "created": 1_700_000_000 + number,
        "model": body["model"],
        "choices": choices,
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": said_tokens,
            "total_tokens": asked + said_tokens,
            "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0},
        },
    }


def _tokens(text: str) -> list[str]:
    return [f" {word}" if number else word for number, word in enumerate(text.split(" "))]


def _logprobs(text: str) -> Json:
    tokens = _tokens(text)
    offsets = [len("".join(tokens[:number])) for number in range(len(tokens))]
    return {
        "tokens": tokens,
        "token_logprobs": [-0.5] * len(tokens),
        "top_logprobs": [{token: -0.5} for token in tokens],
        "text_offset": offsets,
    }


def chunks(answer: Json, *, include_usage: bool) -> Iterator[Json]:
    """The answer as OpenAI streams it, choices interleaved as they come."""
    head = {name: answer[name] for name in answer if name not in {"choices", "usage"}}
    if include_usage:
        head["usage"] = None
    streams = [list(_parts(choice)) for choice in answer["choices"]]
    for step in range(max(map(len, streams))):
        for stream in streams:
            if step < len(stream):
                yield {**head, "choices": [stream[step]]}
    if include_usage:
        yield {**head, "choices": [], "usage": answer["usage"]}


def _parts(choice: Json) -> Iterator[Json]:
    begin, logprobs = {"index": choice["index"]}, choice["logprobs"]
    for number, token in enumerate(_tokens(choice["text"])):
        own = logprobs and {name: values[number : number + 1] for name, values in logprobs.items()}
        yield {"text": token, **begin, "logprobs": own, "finish_reason": None}
    yield {"text": "", **begin, "logprobs": None, "finish_reason": choice["finish_reason"]}
