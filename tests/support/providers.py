"""Streams of chat completions as providers document them, each with its own ways.

A stream here is bytes as they come over the wire, to a caller who asked for the usage.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

DONE: Final = b"data: [DONE]\n\n"
USAGE: Final = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's stream, and what it amounts to.

    Attributes:
        name: The provider, and what is odd about this stream.
        stream: Its bytes.
        message: The first choice's message, as a whole answer tells it.
        more: Other fields that the whole answer has.
        has_usage: It tells the usage.
    """

    name: str
    stream: bytes
    message: Json
    more: Json
    has_usage: bool = True


@dataclass(frozen=True, slots=True)
class Broken:
    """A stream that is no answer. `error` is what the SDK says; None where it says its own."""

    name: str
    stream: bytes
    error: str | None = None


def event(payload: Json) -> bytes:
    """One event, as most write it."""
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def part(delta: Json, finish: str | None = None, **more: Any) -> Json:
    """A chunk's only choice."""
    return {"index": 0, "delta": delta, "finish_reason": finish, **more}


def chunks(head: Json, parts: Sequence[Json], **last: Any) -> Iterator[Json]:
    """A chunk for each part; `last` is added to the last of them."""
    for number, one in enumerate(parts, 1):
        more = last if number == len(parts) else {}
        yield {**head, "choices": [one], **more}


def head(model: str, **more: Any) -> Json:
    """What all chunks of a stream have."""
    told = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1_700_000_000}
    return {**told, "model": model, **more}


SAID: Final = [
    part({"role": "assistant", "content": ""}),
    part({"content": "Grüße"}),
    part({"content": " 🎉"}),
    part({}, "stop"),
]
TEXT: Final[Json] = {"role": "assistant", "content": "Grüße 🎉"}


def openai() -> Provider:
    """Usage null until the last chunk, padding, log-probabilities and refusal as null."""
    top = head("gpt-5", service_tier="default", system_fingerprint="fp_1", usage=None)
    parts = [{**one, "logprobs": None} for one in SAID]
    parts[0]["delta"] = {"role": "assistant", "content": "", "refusal": None}
    told = [{**chunk, "obfuscation": "aZ3kQ"} for chunk in chunks(top, parts)]
    told.append({**top, "choices": [], "usage": USAGE, "obfuscation": ""})
    whole = {**TEXT, "refusal": None}
    return Provider("openai", b"".join(map(event, told)) + DONE, whole, {"usage": USAGE})


def azure() -> Provider:
    """A first chunk of the filter's, without choices, id or model; verdicts with every piece."""
    safe = {"hate": {"filtered": False, "severity": "safe"}}
    verdict = [{"prompt_index": 0, "content_filter_results": safe}]
    none = {"id": "", "object": "", "created": 0, "model": ""}
    first = {**none, "choices": [], "prompt_filter_results": verdict}
    told = list(chunks(head("gpt-4o"), [{**p, "content_filter_results": safe} for p in SAID]))
    offsets = {"check_offset": 0, "start_offset": 0, "end_offset": 7}
    late = {
        "index": 0,
        "finish_reason": None,
        "content_filter_results": safe,
        "content_filter_offsets": offsets,
    }
    told = [first, *told, {**none, "choices": [late]}]
    told.append({**head("gpt-4o"), "choices": [], "usage": USAGE})
    more = {"model": "gpt-4o", "prompt_filter_results": verdict, "usage": USAGE}
    return Provider("azure", b"".join(map(event, told)) + DONE, TEXT, more)


def vllm() -> Provider:
    """Usage in every chunk, thoughts in a field of their own, fields of its own in each choice."""
    told = [
        part({"role": "assistant", "content": ""}, logprobs=None),
        part({"reasoning_content": "Hm"}, logprobs=None, token_ids=[1]),
        part({"reasoning_content": "."}, logprobs=None, token_ids=[2]),
        part({"content": "Yes."}, logprobs=None, token_ids=[3, 4]),
        part({"content": ""}, "stop", logprobs=None, stop_reason=None, token_ids=None),
    ]
    top = head("qwen", prompt_token_ids=None)
    counted = [{**USAGE, "completion_tokens": n, "total_tokens": 9 + n} for n in range(5)]
    stream = [{**c, "usage": u} for c, u in zip(chunks(top, told), counted, strict=True)]
    stream.append({**top, "choices": [], "usage": USAGE})
    message = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}
    return Provider("vllm", b"".join(map(event, stream)) + DONE, message, {"usage": USAGE})


def ollama() -> Provider:
    """A role in every chunk; whole tool calls, all of them of index 0."""
    calls = [
        {
            "id": f"call_{n}",
            "index": 0,
            "type": "function",
            "function": {"name": "weather", "arguments": f'{{"city":"{n}"}}'},
        }
        for n in "ab"
    ]
    told = [
        part({"role": "assistant", "content": "", "reasoning": "Hm."}),
        part({"role": "assistant", "content": "", "tool_calls": [calls[0]]}),
        part({"role": "assistant", "content": "", "tool_calls": [calls[1]]}),
        part({"role": "assistant", "content": ""}, "tool_calls"),
    ]
    top = head("qwen3", system_fingerprint="fp_ollama")
    stream = [*chunks(top, told), {**top, "choices": [], "usage": USAGE}]
    whole = [{name: call[name] for name in call if name != "index"} for call in calls]
    message = {"role": "assistant", "content": "", "reasoning": "Hm.", "tool_calls": whole}
    return Provider("ollama", b"".join(map(event, stream)) + DONE, message, {"usage": USAGE})


def llama_cpp() -> Provider:
    """Content null at first; the time it took beside the usage."""
    timings = {"prompt_n": 9, "prompt_ms": 12.5, "predicted_n": 4, "predicted_ms": 40.25}
    parts = [part({"role": "assistant", "content": None}), *SAID[1:]]
    top = head("gemma", system_fingerprint="b6000")
    told = [*chunks(top, parts), {**top, "choices": [], "usage": USAGE, "timings": timings}]
    more = {"usage": USAGE, "timings": timings}
    return Provider("llama.cpp", b"".join(map(event, told)) + DONE, TEXT, more)


def lm_studio() -> Provider:
    """Carriage returns, white space in the JSON, statistics, a role in each delta."""
    parts = [part({"role": "assistant", **one["delta"]}, one["finish_reason"]) for one in SAID]
    told = chunks(head("phi"), parts, stats={"tokens_per_second": 51.5}, usage=USAGE)
    lines = (json.dumps(chunk, indent=None, separators=(" , ", " : ")) for chunk in told)
    stream = b"".join(b"data:" + line.encode() + b"\r\n\r\n" for line in lines)
    more = {"usage": USAGE, "stats": {"tokens_per_second": 51.5}}
    return Provider("lm studio", stream + b"data: [DONE]\r\n\r\n", TEXT, more)


def openrouter() -> Provider:
    """Comments until the model begins; thoughts in two forms; citations; cost in the usage."""

    def thought(text: str) -> Json:
        detail = {"type": "reasoning.text", "text": text, "format": "f", "index": 0}
        delta = {"role": "assistant", "content": "", "reasoning": text}
        return part({**delta, "reasoning_details": [detail]}, native_finish_reason=None)

    signature = {"type": "reasoning.text", "signature": "c2ln", "format": "f", "index": 0}
    hidden = {"type": "reasoning.encrypted", "data": "eA==", "format": "f", "index": 0}
    source = {"type": "url_citation", "url_citation": {"url": "https://a.b/", "title": "T"}}
    role: Json = {"role": "assistant"}
    parts = [
        thought("Let"),
        thought(" me."),
        part({**role, "content": "", "reasoning_details": [signature, hidden]}),
        part({**role, "content": "Yes."}),
        part({**role, "content": "", "annotations": [source]}),
        part({**role, "content": ""}, "stop", native_finish_reason="end_turn"),
    ]
    top = head("anthropic/claude", provider="Anthropic")
    counted = {**USAGE, "cost": 0.00014, "is_byok": False}
    told = [
        *chunks(top, parts),
        {**top, "choices": [part({**role, "content": ""})], "usage": counted},
    ]
    comment = b": OPENROUTER PROCESSING\n\n"
    stream = comment * 2 + b"".join(map(event, told[:3])) + comment + b"".join(map(event, told[3:]))
    message = {
        **role,
        "content": "Yes.",
        "reasoning": "Let me.",
        "reasoning_details": [
            {**signature, "text": "Let me."},
            hidden,
        ],
        "annotations": [source],
    }
    more = {"usage": counted, "provider": "Anthropic"}
    return Provider("openrouter", stream + DONE, message, more)


def groq() -> Provider:
    """Usage a second time, in a field of its own."""
    parts = [{**one, "logprobs": None} for one in SAID]
    told = list(chunks(head("llama", system_fingerprint="fp_2"), parts))
    told[0]["x_groq"] = {"id": "req_1"}
    counted = {**USAGE, "queue_time": 0.01, "total_time": 0.02}
    told[-1]["x_groq"] = {"id": "req_1", "usage": counted}
    told.append({**head("llama"), "choices": [], "usage": counted, "service_tier": "on_demand"})
    more = {"usage": counted, "x_groq": {"id": "req_1", "usage": counted}}
    return Provider("groq", b"".join(map(event, told)) + DONE, TEXT, more)


def mistral() -> Provider:
    """Content in parts while it thinks, text then; usage with the finish."""

    def thinks(text: str) -> Json:
        return part(
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}
        )

    parts = [SAID[0], thinks("Let"), thinks(" me."), *SAID[1:3], part({"content": ""}, "stop")]
    told = chunks(head("magistral"), parts, usage=USAGE)
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Let me."}]}
    message = {"role": "assistant", "content": [thought, {"type": "text", "text": "Grüße 🎉"}]}
    return Provider("mistral", b"".join(map(event, told)) + DONE, message, {"usage": USAGE})


def mistral_tools() -> Provider:
    """Whole tool calls in the last chunk, whose index comes last and stays."""
    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    calls = [{"id": f"D681Pev{n}", "function": function, "index": n} for n in range(2)]
    parts = [SAID[0], part({"content": "", "tool_calls": calls}, "tool_calls")]
    told = chunks(head("mistral-large"), parts, usage=USAGE)
    message = {"role": "assistant", "content": "", "tool_calls": calls}
    return Provider("mistral tools", b"".join(map(event, told)) + DONE, message, {"usage": USAGE})


def deepseek() -> Provider:
    """Keep-alives, thoughts and content null in turn, usage with the finish."""
    parts = [
        part({"role": "assistant", "content": None, "reasoning_content": ""}),
        part({"content": None, "reasoning_content": "Hm."}),
        part({"content": "Yes.", "reasoning_content": None}),
        part({"content": "", "reasoning_content": None}, "stop"),
    ]
    counted = {**USAGE, "prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 9}
    told = list(chunks(head("deepseek-reasoner"), parts, usage=counted))
    stream = b": keep-alive\n\n".join(map(event, told))
    message = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}
    return Provider("deepseek", b": keep-alive\n\n" + stream + DONE, message, {"usage": counted})


def gemini() -> Provider:
    """Whole tool calls without an index, with a signature of its own; usage in every chunk."""
    calls = [
        {
            "id": f"function-call-{n}",
            "type": "function",
            "function": {"name": "weather", "arguments": f'{{"city":"{n}"}}'},
        }
        for n in "ab"
    ]
    calls[0]["extra_content"] = {"google": {"thought_signature": "c2ln"}}
    parts = [
        part({"role": "assistant", "tool_calls": calls[:1]}),
        part({"role": "assistant", "tool_calls": calls[1:]}),
        part({"role": "assistant"}, "tool_calls"),
    ]
    told = [{**chunk, "usage": USAGE} for chunk in chunks(head("gemini-2.5"), parts)]
    message = {"role": "assistant", "tool_calls": calls}
    return Provider("gemini", b"".join(map(event, told)) + DONE, message, {"usage": USAGE})


def perplexity() -> Provider:
    """What was said so far beside each delta; sources and usage in every chunk; CRLF."""
    so_far = ""
    parts = []
    for one in SAID[1:]:
        so_far += one["delta"].get("content", "")
        delta = {"role": "assistant", "content": one["delta"].get("content", "")}
        so_far_told = {"role": "assistant", "content": so_far}
        parts.append({**one, "delta": delta, "message": so_far_told})
    found = {
        "citations": ["https://a.b/"],
        "search_results": [{"title": "T", "url": "https://a.b/"}],
    }
    told = [{**chunk, "usage": USAGE} for chunk in chunks(head("sonar", **found), parts)]
    stream = b"".join(map(event, told)) + DONE
    crlf = stream.replace(b"\n", b"\r\n")
    return Provider("perplexity", crlf, TEXT, {"usage": USAGE, **found})


def anthropic() -> Provider:
    """The compatible endpoint of Claude: parallel calls in pieces, no usage at all; event names."""

    def call(index: int, arguments: str, **more: Any) -> Json:
        function = {**({"name": "weather"} if more else {}), "arguments": arguments}
        return part({"tool_calls": [{"index": index, **more, "function": function}]})

    parts = [
        part({"role": "assistant", "content": "Let me see."}),
        call(0, "", id="toolu_1", type="function"),
        call(0, '{"city": '),
        call(0, '"a"}'),
        call(1, "", id="toolu_2", type="function"),
        call(1, '{"city": "b"}'),
        part({}, "tool_calls"),
    ]
    events = [b"event: completion\nid: 7\n" + event(c) for c in chunks(head("claude"), parts)]
    calls = [
        {
            "id": f"toolu_{n}",
            "type": "function",
            "function": {"name": "weather", "arguments": f'{{"city": "{city}"}}'},
        }
        for n, city in ((1, "a"), (2, "b"))
    ]
    message = {"role": "assistant", "content": "Let me see.", "tool_calls": calls}
    return Provider("anthropic", b"".join(events) + DONE, message, {}, has_usage=False)


PROVIDERS: Final = (
    openai(),
    azure(),
    vllm(),
    ollama(),
    llama_cpp(),
    lm_studio(),
    openrouter(),
    groq(),
    mistral(),
    mistral_tools(),
    deepseek(),
    gemini(),
    perplexity(),
    anthropic(),
)

_BEGUN: Final = b"".join(map(event, chunks(head("m"), SAID[:-1])))
_WHOLE: Final = b"".join(map(event, chunks(head("m"), SAID)))
_OVERLOADED: Final = {"message": "Overloaded", "code": 502}

BROKEN: Final = (
    Broken("no finish and no end", _BEGUN),
    Broken("no finish", _BEGUN + DONE),
    Broken("no end", _WHOLE),
    Broken("a chunk cut short", _BEGUN + b'data: {"id":"chatcmpl-9","choi\n\n' + DONE),
    Broken(
        "one choice of two",
        _WHOLE + event({**head("m"), "choices": [{**SAID[1], "index": 1}]}) + DONE,
    ),
    Broken("openai error", _BEGUN + event({"error": _OVERLOADED}), "Overloaded"),
    Broken(
        "openrouter error",
        _BEGUN
        + event({**head("m"), "error": _OVERLOADED, "choices": [part({"content": ""}, "error")]})
        + DONE,
        "Overloaded",
    ),
    Broken(
        "lm studio error", _BEGUN + b"event: error\n" + event({"error": _OVERLOADED}), "Overloaded"
    ),
    Broken(
        "vllm error",
        _BEGUN + event({"error": {**_OVERLOADED, "object": "error"}}) + DONE,
        "Overloaded",
    ),
    Broken("old vllm error", _BEGUN + event({"object": "error", **_OVERLOADED}) + DONE),
    Broken(
        "gemini error", _BEGUN + b"data: [" + json.dumps({"error": _OVERLOADED}).encode() + b"]\n\n"
    ),
    Broken("error without a key", _BEGUN + b"event: error\n" + event(_OVERLOADED) + DONE),
)
