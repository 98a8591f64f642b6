"""Requests, entries and answers for the tests of the core."""

from typing import Any

from hypothesis import strategies as st

from proxy.core.dialects.base import Reading
from proxy.core.dialects.chat import Chat
from proxy.core.model import Answer, CacheRequest, Caller, Directives, Entry, Scope

Json = dict[str, Any]


def chat(text: str = "What is a cache?", **more: Any) -> Json:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def read(body: Json, tenant: str = "t", namespace: str = "", **extra: str) -> Reading:
    return Chat().read(body, tenant=tenant, namespace=namespace, extra=extra)


def request(**asked: Any) -> CacheRequest:
    scope = Scope("t", "", "chat.completions", "m")
    question = "What is a cache?"
    return CacheRequest(
        scope=scope,
        caller=Caller("t"),
        directives=Directives(**asked),
        question=question,
        key=scope.key(question),
        stream=False,
        include_usage=False,
        body=chat(question),
    )


def entry(created_at: float = 1000, ttl: float = 100, kept: float = 100, **more: Any) -> Entry:
    scope = Scope("t", "", "chat.completions", "m")
    fields: Json = {
        "id": scope.key("What is a cache?"),
        "scope": scope.id,
        "tenant": "t",
        "namespace": "",
        "model": "m",
        "question": "What is a cache?",
        "answer": Answer(b"{}"),
        "created_at": created_at,
        "expires_at": created_at + ttl,
        "kept_until": created_at + ttl + kept,
    }
    return Entry(**{**fields, **more})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
