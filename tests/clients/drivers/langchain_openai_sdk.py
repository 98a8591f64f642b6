"""LangChain's package for OpenAI."""

from importlib.metadata import version
from typing import Any

from driver import CHAT, EMBEDDING, TEXT, Call, Fact, look_up, serve
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings


def chat(call: Call) -> ChatOpenAI:
    return ChatOpenAI(model=CHAT, base_url=call.url, api_key=call.key, max_retries=0)


def responses(call: Call) -> ChatOpenAI:
    return ChatOpenAI(
        model=CHAT,
        base_url=call.url,
        api_key=call.key,
        max_retries=0,
        use_responses_api=True,
        store=False,
    )


def shown(message: AIMessage) -> Any:
    """A message without the ids of its run and of its answer."""
    told = message.model_dump(mode="json", exclude={"id"})
    return {**told, "response_metadata": {**told["response_metadata"], "id": None}}


def joined(chunks: list[AIMessageChunk]) -> Any:
    """The pieces' texts, and the message they add up to."""
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return [[chunk.text for chunk in chunks], shown(whole)]


def completion(call: Call) -> OpenAI:
    return OpenAI(model=TEXT, base_url=call.url, api_key=call.key, max_retries=0)


def embeddings(call: Call) -> Any:
    # Else it sends tokens in place of texts.
    embedder = OpenAIEmbeddings(
        model=EMBEDDING, base_url=call.url, api_key=call.key, check_embedding_ctx_length=False
    )
    return embedder.embed_documents([call.question, "Another text."])


if __name__ == "__main__":
    serve(
        version("langchain-openai"),
        {
            "chat/plain": lambda c: shown(chat(c).invoke(c.question)),
            "chat/stream": lambda c: joined(list(chat(c).stream(c.question))),
            "chat/tools": lambda c: shown(chat(c).bind_tools([look_up]).invoke(c.question)),
            "chat/tools stream": lambda c: joined(
                list(chat(c).bind_tools([look_up]).stream(c.question))
            ),
            "chat/structured": lambda c: chat(c).with_structured_output(Fact).invoke(c.question),
            "responses/plain": lambda c: shown(responses(c).invoke(c.question)),
            "responses/stream": lambda c: joined(list(responses(c).stream(c.question))),
            "responses/tools": lambda c: shown(
                responses(c).bind_tools([look_up]).invoke(c.question)
            ),
            "responses/tools stream": lambda c: joined(
                list(responses(c).bind_tools([look_up]).stream(c.question))
            ),
            "responses/structured": lambda c: (
                responses(c).with_structured_output(Fact).invoke(c.question)
            ),
            "completions/plain": lambda c: completion(c).invoke(c.question),
            "completions/stream": lambda c: list(completion(c).stream(c.question)),
            "embeddings/plain": embeddings,
        },
    )
