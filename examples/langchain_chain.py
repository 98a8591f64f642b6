"""A LangChain chain whose model is asked through a proxy; needs `langchain-openai`.

    python examples/langchain_chain.py [http://127.0.0.1:8080/v1]

The prompt's system message is part of what must be the same; the question may be reworded.
"""

import sys

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080/v1"

prompt = ChatPromptTemplate.from_messages(
    [("system", "You answer in one sentence."), ("user", "{question}")]
)
model = ChatOpenAI(model="gpt-4o-mini", base_url=URL, include_response_headers=True)

for question in ("What is a semantic cache?", "What's a semantic cache?"):
    said = (prompt | model).invoke({"question": question})
    headers = said.response_metadata["headers"]
    print(headers["x-cache"], headers.get("x-cache-tier", "-"), StrOutputParser().invoke(said))

print("".join((prompt | model | StrOutputParser()).stream({"question": "What is a cache?"})))
