"""A FastAPI application whose model is asked through a proxy; needs `fastapi` and `uvicorn`.

    OPENAI_BASE_URL=http://127.0.0.1:8080/v1 uvicorn --app-dir examples fastapi_app:app --port 8000
    curl "http://127.0.0.1:8000/ask?question=What+is+a+cache?&user=ada"

The SDK reads the address from the variable: the application knows nothing of the proxy but the
headers that it sends, so that its users share no answers and feedback finds the request.
"""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI

app = FastAPI()
client = AsyncOpenAI()
Question = Annotated[str, Query(min_length=1, max_length=2000)]


@app.get("/ask")
async def ask(question: Question, user: str) -> dict[str, str | None]:
    """One answer, and how it came about."""
    reply = await client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": question}],
        extra_headers={"x-cache-namespace": f"user-{user}", "x-cache-tags": "app"},
    )
    return {
        "answer": reply.parse().choices[0].message.content,
        "cache": reply.headers.get("x-cache"),
        "request": reply.headers.get("x-request-id"),
    }


@app.get("/stream")
async def stream(question: Question, user: str) -> StreamingResponse:
    """The answer as it comes."""
    chunks = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": question}],
        stream=True,
        extra_headers={"x-cache-namespace": f"user-{user}", "x-cache-tags": "app"},
    )

    async def pieces() -> AsyncIterator[str]:
        async for chunk in chunks:
            if chunk.choices:
                yield chunk.choices[0].delta.content or ""

    return StreamingResponse(pieces(), media_type="text/plain")
