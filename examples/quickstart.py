"""Three lines against a running proxy (`make run`): the SDK is told where it is, no more.

python examples/quickstart.py [http://127.0.0.1:8080/v1]
"""

import sys

from openai import OpenAI

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/v1"
MODEL = "gpt-4o-mini"

client = OpenAI(base_url=URL)

for question in ("What is a semantic cache?", "What's a semantic cache?"):
    reply = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": question}]
    )
    print(f"{question}\n  {reply.parse().choices[0].message.content}")
    for name in ("x-cache", "x-cache-tier", "x-cache-similarity", "cache-status"):
        if name in reply.headers:
            print(f"  {name}: {reply.headers[name]}")
