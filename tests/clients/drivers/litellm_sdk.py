"""litellm's SDK."""

import os
from importlib.metadata import version
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it downloads one

import litellm
from driver import CHAT, EMBEDDING, FLAT_FUNCTION, FUNCTION, TEXT, Call, Fact, serve


def reached(call: Call, model: str) -> dict[str, Any]:
    return {
        "model": f"openai/{model}",
        "api_base": call.url,
        "api_key": call.key,
        "max_retries": 0,
    }


def chat(call: Call, **more: Any) -> Any:
    messages = [{"role": "user", "content": call.question}]
    return litellm.completion(**reached(call, CHAT), messages=messages, **more)


def chat_stream(call: Call, **more: Any) -> Any:
    chunks = list(chat(call, stream=True, stream_options={"include_usage": True}, **more))
    return [[shown(chunk) for chunk in chunks], shown(litellm.stream_chunk_builder(chunks))]


def shown(answer: Any) -> Any:
    return answer.model_dump(mode="json")


def responses(call: Call, **more: Any) -> Any:
    return litellm.responses(**reached(call, CHAT), input=call.question, store=False, **more)


def responses_stream(call: Call, **more: Any) -> Any:
    return [shown(event) for event in responses(call, stream=True, **more)]


def completions(call: Call, **more: Any) -> Any:
    model = f"text-completion-openai/{TEXT}"
    asked = {**reached(call, TEXT), "model": model, "prompt": call.question}
    return litellm.text_completion(**asked, **more)


def embeddings(call: Call) -> Any:
    inputs = [call.question, "Another text."]
    return shown(litellm.embedding(**reached(call, EMBEDDING), input=inputs))


if __name__ == "__main__":
    serve(
        version("litellm"),
        {
            "chat/plain": lambda c: shown(chat(c)),
            "chat/stream": chat_stream,
            "chat/tools": lambda c: shown(chat(c, tools=[FUNCTION])),
            "chat/tools stream": lambda c: chat_stream(c, tools=[FUNCTION]),
            "chat/structured": lambda c: shown(chat(c, response_format=Fact)),
            "responses/plain": lambda c: shown(responses(c)),
            "responses/stream": responses_stream,
            "responses/tools": lambda c: shown(responses(c, tools=[FLAT_FUNCTION])),
            "responses/tools stream": lambda c: responses_stream(c, tools=[FLAT_FUNCTION]),
            "responses/structured": lambda c: shown(responses(c, text_format=Fact)),
            "completions/plain": lambda c: shown(completions(c)),
            "completions/stream": lambda c: [shown(p) for p in completions(c, stream=True)],
            "embeddings/plain": embeddings,
        },
    )
