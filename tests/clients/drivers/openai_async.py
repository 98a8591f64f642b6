"""The official Python client, asynchronous."""

from importlib.metadata import version
from typing import Any

from driver import CHAT, EMBEDDING, FLAT_FUNCTION, FUNCTION, TEXT, Call, Fact, serve
from openai import AsyncOpenAI


def client(call: Call) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=call.url, api_key=call.key, max_retries=0)


def asked(call: Call) -> dict[str, Any]:
    return {"model": CHAT, "messages": [{"role": "user", "content": call.question}]}


async def chat_plain(call: Call) -> Any:
    return await client(call).chat.completions.create(**asked(call))


async def chat_stream(call: Call) -> Any:
    stream = await client(call).chat.completions.create(**asked(call), stream=True)
    return [chunk async for chunk in stream]


async def chat_tools(call: Call) -> Any:
    return await client(call).chat.completions.create(**asked(call), tools=[FUNCTION])


async def chat_tools_stream(call: Call) -> Any:
    async with client(call).chat.completions.stream(**asked(call), tools=[FUNCTION]) as stream:
        kinds = [event.type async for event in stream]
        return [kinds, await stream.get_final_completion()]


async def chat_structured(call: Call) -> Any:
    got = await client(call).chat.completions.parse(**asked(call), response_format=Fact)
    assert isinstance(got.choices[0].message.parsed, Fact)
    return got


def wanted(call: Call) -> dict[str, Any]:
    return {"model": CHAT, "input": call.question, "store": False}


async def responses_plain(call: Call) -> Any:
    return await client(call).responses.create(**wanted(call))


async def responses_stream(call: Call) -> Any:
    stream = await client(call).responses.create(**wanted(call), stream=True)
    return [event async for event in stream]


async def responses_tools(call: Call) -> Any:
    return await client(call).responses.create(**wanted(call), tools=[FLAT_FUNCTION])


async def responses_tools_stream(call: Call) -> Any:
    async with client(call).responses.stream(**wanted(call), tools=[FLAT_FUNCTION]) as stream:
        kinds = [event.type async for event in stream]
        return [kinds, await stream.get_final_response()]


async def responses_structured(call: Call) -> Any:
    got = await client(call).responses.parse(**wanted(call), text_format=Fact)
    assert isinstance(got.output_parsed, Fact)
    return got


async def completions_plain(call: Call) -> Any:
    return await client(call).completions.create(model=TEXT, prompt=call.question)


async def completions_stream(call: Call) -> Any:
    stream = await client(call).completions.create(model=TEXT, prompt=call.question, stream=True)
    return [chunk async for chunk in stream]


async def embeddings_plain(call: Call) -> Any:
    inputs = [call.question, "Another text."]
    return await client(call).embeddings.create(model=EMBEDDING, input=inputs)


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
