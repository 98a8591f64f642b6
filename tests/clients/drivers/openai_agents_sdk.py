"""OpenAI's Agents SDK: agents, which run the tools and ask again with their results."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from driver import CHAT, Call, Fact, look_up, serve
from openai import AsyncOpenAI


def agent(call: Call, api: str, **more: Any) -> Agent[None]:
    client = AsyncOpenAI(base_url=call.url, api_key=call.key, max_retries=0)
    model = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}[api]
    return Agent(
        name="Assistant",
        model=model(model=CHAT, openai_client=client),
        model_settings=ModelSettings(store=False if api == "responses" else None),
        **more,
    )


TOOLS = [function_tool(look_up)]


def shown(run: Any) -> Any:
    """What the run ends with, its items but for the answer's id, and what it used."""
    items = [dict(item.to_input_item()) for item in run.new_items]
    for item in items:
        item.get("provider_data", {}).pop("response_id", None)
    used = run.context_wrapper.usage
    return [run.final_output, items, [used.input_tokens, used.output_tokens, used.requests]]


def whole(api: str, **more: Any) -> Callable[[Call], Any]:
    async def use(call: Call) -> Any:
        return shown(await Runner.run(agent(call, api, **more), call.question))

    return use


def streamed(api: str, **more: Any) -> Callable[[Call], Any]:
    async def use(call: Call) -> Any:
        run = Runner.run_streamed(agent(call, api, **more), call.question)
        events = [event async for event in run.stream_events()]
        kinds = [getattr(getattr(event, "data", event), "type", "") for event in events]
        texts = [getattr(getattr(event, "data", None), "delta", None) for event in events]
        return [kinds, texts, shown(run)]

    return use


if __name__ == "__main__":
    set_tracing_disabled(disabled=True)
    serve(
        version("openai-agents"),
        {
            f"{api}/{feature}": use
            for api in ("chat", "responses")
            for feature, use in {
                "plain": whole(api),
                "stream": streamed(api),
                "tools": whole(api, tools=TOOLS),
                "tools stream": streamed(api, tools=TOOLS),
                "structured": whole(api, output_type=Fact),
            }.items()
        },
    )
