"""A server with OpenAI's embeddings API.

Rules of the file:

- The length of a vector is known from the configuration, not learnt from an answer: an index must
  be built before the server can be asked, and a server that is down at start must not change it.
- What comes back is checked before it is believed: shape, finiteness, length.
- A refusal of one text is that text's affair. If it were the part's, one caller with a prompt the
  server dislikes would switch the semantic tier off for everybody.
"""

import asyncio
import base64
import binascii
from typing import Final
from urllib.parse import urlsplit

import numpy as np
import openai

from proxy.core.model import Vector
from proxy.errors import ConfigError, TierError

PUBLISHED: Final = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""OpenAI's models and the length of their vectors (OpenAI, "Vector embeddings")."""

MAX_BYTES: Final = 8191
"""OpenAI's models read 8,191 tokens, and no token of their byte-level BPE is shorter than a byte:
a text of no more bytes is read whole, without a tokenizer here."""

REFUSALS: Final = (
    openai.BadRequestError,  # 400: too long, mostly
    openai.UnprocessableEntityError,  # 422: the same, of other servers
)
TOO_LARGE: Final = 413


class OpenAiEmbedder:
    """`ports.Embedder` through `/embeddings` of an OpenAI-compatible server.

    The id is `openai:<model>:<dimension>:<server>`. The server is part of it because a model's
    name means something else elsewhere: a local server calls its model whatever it likes. Moving
    to another server so costs one embedding of what is stored; taking one model for another would
    cost wrong answers.

    Args:
        base_url: Of the API, with its version, such as `https://api.openai.com/v1`.
        api_key: Sent as a bearer token; None sends none.
        model: Which model embeds.
        dimensions: Length of a vector; None is the published length of OpenAI's own models. The
            server is asked for it only if its model's own length is another.
        timeout_s: Longest wait for one try.
        max_retries: Further tries after a failure that may pass.
        max_bytes: The longest text sent, in UTF-8; a longer one has no vector.

    Raises:
        ConfigError: The model is not one of OpenAI's, and `dimensions` is not given.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        dimensions: int | None = None,
        timeout_s: float = 2.0,
        max_retries: int = 1,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        length = dimensions or PUBLISHED.get(model)
        if length is None:
            raise ConfigError([f"embedder.openai.dimensions: is needed for the model {model!r}"])
        self._base_url = base_url
        self._api_key = api_key
        self._model = model
        self._dimension = length
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        self._max_bytes = max_bytes
        self._client: openai.AsyncOpenAI | None = None
        self._asks_length: bool | None = None
        self.refused = 0
        """Texts the server would not embed."""

    @property
    def id(self) -> str:
        """Model, length of a vector, and server."""
        return f"openai:{self._model}:{self._dimension}:{_server(self._base_url)}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    async def start(self) -> None:
        """Prove that the server embeds, with vectors of the configured length: one or two calls.

        Raises:
            TierError: It does not answer, refuses, or has other vectors.
        """
        if self._client is None:
            # In a thread: making a client reads the trusted certificates from disk.
            self._client = await asyncio.to_thread(self._connect)
        if self._asks_length is None:
            self._asks_length = await self._finds_out(self._client)
        else:
            await self._ask(self._client, "Are you there?", asks_length=self._asks_length)

    def _connect(self) -> openai.AsyncOpenAI:
        # Given in full: what is None, the client would take from the environment, and send one
        # server's credentials to another.
        return openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key or "",
            organization="",
            project="",
            timeout=self._timeout_s,
            max_retries=self._max_retries,
            default_headers={
                "OpenAI-Organization": openai.omit,
                "OpenAI-Project": openai.omit,
            },
        )

    async def _finds_out(self, client: openai.AsyncOpenAI) -> bool:
        """Whether the length must be asked for. Many servers refuse a request that names one."""
        own = await self._ask(client, "Are you there?", asks_length=False)
        if own.size == self._dimension:
            return False
        asked = await self._ask(client, "Are you there?", asks_length=True)
        if asked.size != self._dimension:
            raise TierError(
                f"{self._model}: has vectors of length {own.size}, not {self._dimension}"
            )
        return True

    async def close(self) -> None:
        """Close the connections; a call under way fails. `start` may follow."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
