"""LlamaIndex's package for OpenAI."""

from importlib.metadata import version
from typing import Any

from driver import CHAT, Call, Fact, look_up, serve
from llama_index.core.llms import ChatResponse
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI, OpenAIResponses

TOOL = FunctionTool.from_defaults(look_up)
Model = OpenAI | OpenAIResponses


def chat(call: Call) -> Model:
    return OpenAI(model=CHAT, api_base=call.url, api_key=call.key, max_retries=0)


def responses(call: Call) -> Model:
    return OpenAIResponses(model=CHAT, api_base=call.url, api_key=call.key, max_retries=0)


def shown(response: ChatResponse) -> Any:
    """The message and the raw answer that it comes with."""
    return [response.message, response.raw, response.delta]


def plain(model: Model, call: Call) -> Any:
    return model.complete(call.question).text


def stream(model: Model, call: Call) -> Any:
    return [[piece.delta, piece.text] for piece in model.stream_complete(call.question)]


def tools(model: Model, call: Call) -> Any:
    got = model.chat_with_tools([TOOL], user_msg=call.question, allow_parallel_tool_calls=True)
    return [shown(got), model.get_tool_calls_from_response(got)]


def tools_stream(model: Model, call: Call) -> Any:
    pieces = list(
        model.stream_chat_with_tools([TOOL], user_msg=call.question, allow_parallel_tool_calls=True)
    )
    return [[piece.delta for piece in pieces], model.get_tool_calls_from_response(pieces[-1])]


def structured(model: Model, call: Call) -> Any:
    return model.structured_predict(Fact, PromptTemplate("{question}"), question=call.question)


if __name__ == "__main__":
    serve(
        version("llama-index-llms-openai"),
        {
            "chat/plain": lambda c: plain(chat(c), c),
            "chat/stream": lambda c: stream(chat(c), c),
            "chat/tools": lambda c: tools(chat(c), c),
            "chat/tools stream": lambda c: tools_stream(chat(c), c),
            "chat/structured": lambda c: structured(chat(c), c),
            "responses/plain": lambda c: plain(responses(c), c),
            "responses/stream": lambda c: stream(responses(c), c),
            "responses/tools": lambda c: tools(responses(c), c),
            "responses/tools stream": lambda c: tools_stream(responses(c), c),
            "responses/structured": lambda c: structured(responses(c), c),
        },
        {"embeddings": "another package's, over the openai client"},
    )
