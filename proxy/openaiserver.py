"""A server with OpenAI's API, asked with the credentials that were configured and no others.

The client would take key, organisation and project from the environment as well, and so send one
server's credentials to another.
"""

from urllib.parse import urlsplit

import openai

from proxy.core.dialects.counting import counted
from proxy.core.model import Usage


def connect(
    base_url: str, api_key: str | None, *, timeout_s: float, max_retries: int
) -> openai.AsyncOpenAI:
    """A client. Call it in a thread: it reads the trusted certificates from disk."""
    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=api_key or "none",  # never None; `headers_for` leaves it out
        admin_api_key="",
        timeout=timeout_s,
        max_retries=max_retries,
    )


def headers_for(api_key: str | None) -> dict[str, openai.Omit]:
    """What each call leaves out; without a key, the key's header too."""
    names = ["OpenAI-Organization", "OpenAI-Project"]
    if api_key is None:
        names.append("Authorization")
    return {name: openai.Omit() for name in names}


def tokens_of(answer: object) -> Usage:
    """What a call cost, as far as its answer says so.

    The client does not validate: any attribute may be missing or of another type.
    """
    usage = getattr(answer, "usage", None)
    details = getattr(usage, "prompt_tokens_details", None)
    told = counted(
        getattr(usage, "prompt_tokens", None),
        getattr(usage, "completion_tokens", 0),  # embeddings have none
        getattr(details, "cached_tokens", None),
        getattr(answer, "service_tier", None),
    )
    return told or Usage(0, 0)


def name_of(base_url: str) -> str:
    """Host, port and path: what tells servers apart, without a user's name or password."""
    parts = urlsplit(base_url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or ''}{port}{parts.path.rstrip('/')}"
