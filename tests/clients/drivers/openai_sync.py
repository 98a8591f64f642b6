"""The official Python client."""

from importlib.metadata import version
from typing import Any

from driver import CHAT, EMBEDDING, FLAT_FUNCTION, FUNCTION, TEXT, Call, Fact, serve
from openai import OpenAI


def client(call: Call) -> OpenAI:
    return OpenAI(base_url=call.url, api_key=call.key, max_retries=0)


def asked(call: Call) -> dict[str, Any]:
    return {"model": CHAT, "messages": [{"role": "user", "content": call.question}]}


def chat_plain(call: Call) -> Any:
    return client(call).chat.completions.create(**asked(call))


def chat_stream(call: Call) -> Any:
    options = {"include_usage": True}
    return list(
        client(call).chat.completions.create(**asked(call), stream=True, stream_options=options)
    )


def chat_tools(call: Call) -> Any:
    return client(call).chat.completions.create(**asked(call), tools=[FUNCTION])


def chat_tools_stream(call: Call) -> Any:
    with client(call).chat.completions.stream(**asked(call), tools=[FUNCTION]) as stream:
        kinds = [event.type for event in stream]
        return [kinds, stream.get_final_completion()]


def chat_structured(call: Call) -> Any:
    got = client(call).chat.completions.parse(**asked(call), response_format=Fact)
    assert isinstance(got.choices[0].message.parsed, Fact)
    return got


def wanted(call: Call) -> dict[str, Any]:
    return {"model": CHAT, "input": call.question, "store": False}


def responses_plain(call: Call) -> Any:
    return client(call).responses.create(**wanted(call))


def responses_stream(call: Call) -> Any:
    return list(client(call).responses.create(**wanted(call), stream=True))


def responses_tools(call: Call) -> Any:
    return client(call).responses.create(**wanted(call), tools=[FLAT_FUNCTION])


def responses_tools_stream(call: Call) -> Any:
    with client(call).responses.stream(**wanted(call), tools=[FLAT_FUNCTION]) as stream:
        kinds = [event.type for event in stream]
        return [kinds, stream.get_final_response()]


def responses_structured(call: Call) -> Any:
    got = client(call).responses.parse(**wanted(call), text_format=Fact)
    assert isinstance(got.output_parsed, Fact)
    return got


def completions_plain(call: Call) -> Any:
    return client(call).completions.create(model=TEXT, prompt=call.question)


def completions_stream(call: Call) -> Any:
    return list(client(call).completions.create(model=TEXT, prompt=call.question, stream=True))


def embeddings_plain(call: Call) -> Any:
    return client(call).embeddings.create(model=EMBEDDING, input=[call.question, "Another text."])


if __name__ == "__main__":
    serve(
        version("openai"),
        {
            "chat/plain": chat_plain,
            "chat/stream": chat_stream,
            "chat/tools": chat_tools,
            "chat/tools stream": chat_tools_stream,
            "chat/structured": chat_structured,
            "responses/plain": responses_plain,
            "responses/stream": responses_stream,
            "responses/tools": responses_tools,
            "responses/tools stream": responses_tools_stream,
            "responses/structured": responses_structured,
            "completions/plain": completions_plain,
            "completions/stream": completions_stream,
            "embeddings/plain": embeddings_plain,
        },
    )
