"""Pydantic AI: agents, which run the tools and ask again with their results."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from driver import CHAT, EMBEDDING, Call, Fact, look_up, serve
from openai import AsyncOpenAI
from pydantic_ai import Agent, Embedder, NativeOutput
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIResponsesModel,
    OpenAIResponsesModelSettings,
)
from pydantic_ai.providers.openai import OpenAIProvider


def provider(call: Call) -> OpenAIProvider:
    client = AsyncOpenAI(base_url=call.url, api_key=call.key, max_retries=0)
    return OpenAIProvider(openai_client=client)


def chat(call: Call, **more: Any) -> Agent[None, Any]:
    return Agent(OpenAIChatModel(CHAT, provider=provider(call)), **more)


def responses(call: Call, **more: Any) -> Agent[None, Any]:
    settings = OpenAIResponsesModelSettings(openai_store=False)
    return Agent(
        OpenAIResponsesModel(CHAT, provider=provider(call)), model_settings=settings, **more
    )


Maker = Callable[..., Agent[None, Any]]


def plain(make: Maker) -> Callable[[Call], Any]:
    async def use(call: Call) -> Any:
        got = await make(call).run(call.question)
        return [got.output, got.usage]

    return use


def stream(make: Maker) -> Callable[[Call], Any]:
    async def use(call: Call) -> Any:
        async with make(call).run_stream(call.question) as got:
            pieces = [piece async for piece in got.stream_text(delta=True, debounce_by=None)]
            return [pieces, got.usage]

    return use


def tools(make: Maker) -> Callable[[Call], Any]:
    async def use(call: Call) -> Any:
        got = await make(call, tools=[look_up]).run(call.question)
        return [got.output, got.usage, [shown(m) for m in got.all_messages()]]

    return use


def tools_stream(make: Maker) -> Callable[[Call], Any]:
    async def use(call: Call) -> Any:
        async with make(call, tools=[look_up]).run_stream(call.question) as got:
            pieces = [piece async for piece in got.stream_text(delta=True, debounce_by=None)]
            return [pieces, got.usage, [shown(m) for m in got.all_messages()]]

    return use


def structured(make: Maker, output: Any) -> Callable[[Call], Any]:
    async def use(call: Call) -> Any:
        got = await make(call, output_type=output).run(call.question)
        assert isinstance(got.output, Fact)
        return [got.output, got.usage]

    return use


def shown(message: Any) -> Any:
    """A message's parts: what they are, and what they say."""
    return [
        [part.part_kind, getattr(part, "content", None), getattr(part, "args", None)]
        for part in message.parts
    ]


async def embeddings(call: Call) -> Any:
    embedder = Embedder(OpenAIEmbeddingModel(EMBEDDING, provider=provider(call)))
    got = await embedder.embed_documents([call.question, "Another text."])
    return [list(map(list, got.embeddings)), got.usage]


if __name__ == "__main__":
    serve(
        version("pydantic-ai-slim"),
        {
            "chat/plain": plain(chat),
            "chat/stream": stream(chat),
            "chat/tools": tools(chat),
            "chat/tools stream": tools_stream(chat),
            "chat/structured": structured(chat, Fact),  # as a tool that it makes up
            "responses/plain": plain(responses),
            "responses/stream": stream(responses),
            "responses/tools": tools(responses),
            "responses/tools stream": tools_stream(responses),
            "responses/structured": structured(responses, NativeOutput(Fact)),
            "embeddings/plain": embeddings,
        },
    )
