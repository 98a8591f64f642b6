"""A streaming chat against a running proxy: each answer is printed as it comes.

    python examples/streaming.py [http://127.0.0.1:8080/v1] < questions

A question a line, from the terminal or a file. What was streamed once is streamed again from the
cache, and says so. Every question stands alone here: with earlier turns in the request, those must
be the same, word for word, for a hit (docs/conversations.md).
"""

import sys

from openai import OpenAI

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/v1"

client = OpenAI(base_url=URL)

for line in sys.stdin:
    reply = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": line.strip()}],
        stream=True,
        stream_options={"include_usage": True},
    )
    print(
        f"[{reply.headers['x-cache']} {reply.headers.get('x-cache-tier', '')}]".replace(" ]", "]")
    )
    for chunk in reply.parse():
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
        elif chunk.usage:
            print(f"\n({chunk.usage.total_tokens} tokens)")
