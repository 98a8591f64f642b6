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
import math
from typing import Final

import numpy as np
import numpy.typing as npt
import openai

from proxy.core.model import Vector
from proxy.core.spending import Ledger, Part
from proxy.errors import ConfigError, TierError
from proxy.openaiserver import connect, headers_for, name_of, tokens_of

PUBLISHED: Final = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""OpenAI's models and the length of their vectors (OpenAI, "Vector embeddings")."""

MAX_BYTES: Final = 8191
"""OpenAI's models read 8,191 tokens, and no token of their byte-level BPE is shorter than a byte:
a text of no more bytes is read whole, without a tokenizer here."""

REFUSALS: Final = frozenset({400, 413, 422})
"""Statuses that speak of the text: too long, mostly. What speaks of the model or its settings shows
at `start` already."""

PROBE: Final = "Are you there?"


class _RefusedError(TierError):
    """The server would not embed this text."""


class _LengthError(TierError):
    """A whole vector, of another length."""


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
        ledger: Hears what each call costs.

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
        ledger: Ledger | None = None,
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
        self._ledger = ledger
        self._client: openai.AsyncOpenAI | None = None
        self._names_length: bool | None = None
        self._starting = asyncio.Lock()
        self._headers = headers_for(api_key)
        self.refused = 0
        """Texts the server would not embed."""

    @property
    def id(self) -> str:
        """Model, length of a vector, and server."""
        return f"openai:{self._model}:{self._dimension}:{name_of(self._base_url)}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    async def start(self) -> None:
        """Prove that the server embeds, with vectors of the configured length: one or two calls.

        Raises:
            TierError: It does not answer, refuses, or has other vectors.
        """
        async with self._starting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
            if self._names_length is None:
                self._names_length = await self._must_name_length(self._client)
            else:
                await self._ask(self._client, PROBE, names_length=self._names_length)

    def _connect(self) -> openai.AsyncOpenAI:
        return connect(
            self._base_url, self._api_key, timeout_s=self._timeout_s, max_retries=self._max_retries
        )

    async def _must_name_length(self, client: openai.AsyncOpenAI) -> bool:
        """Whether the length must be asked for. Many servers refuse a request that names one."""
        try:
            await self._ask(client, PROBE, names_length=False)
        except _LengthError:
            await self._ask(client, PROBE, names_length=True)
            return True
        return False

    async def close(self) -> None:
        """Close the connections; a call under way fails. `start` may follow."""
        async with self._starting:
            client, self._client = self._client, None
            if client is not None:
                await client.close()

    async def embed(self, text: str) -> Vector | None:
        """The text's vector; None when it is blank, too long, no Unicode, or refused.

        Raises:
            TierError: Not started, no answer, or none that is a vector of the right length.
        """
        client, names_length = self._client, self._names_length
        if client is None or names_length is None:
            raise TierError("the embedder is not started")
        if not self._may_send(text):
            return None
        try:
            return await self._ask(client, text, names_length=names_length)
        except _RefusedError:
            self.refused += 1
            return None

    def _may_send(self, text: str) -> bool:
        # The first test spares the others a very long text: no character is shorter than a byte.
        if len(text) > self._max_bytes or not text or text.isspace():
            return False
        try:
            return len(text.encode()) <= self._max_bytes
        except UnicodeEncodeError:  # a lone surrogate
            return False

    async def _ask(self, client: openai.AsyncOpenAI, text: str, *, names_length: bool) -> Vector:
        try:
            # The client's own limit is for each read: a server that drips bytes outlives it.
            async with asyncio.timeout(self._timeout_s * (1 + self._max_retries)):
                answer = await client.embeddings.create(
                    input=text,
                    model=self._model,
                    dimensions=self._dimension if names_length else openai.omit,
                    # A third of the bytes of decimal numbers, and decoded in a third of the time.
                    encoding_format="base64",
                    extra_headers=self._headers,
                )
        except openai.APIStatusError as error:
            fault = _RefusedError if error.status_code in REFUSALS else TierError
            raise fault(f"{self._model}: status {error.status_code}") from error
        except TimeoutError as error:
            raise TierError(f"{self._model}: no answer in time") from error
        except Exception as error:  # what is no JSON, or closed meanwhile, comes as many classes
            raise TierError(f"{self._model}: {type(error).__name__}: {error}") from error
        if self._ledger is not None:
            self._ledger.spent(Part.EMBEDDER, self._model, tokens_of(answer))
        vector = _vector(answer)
        if vector.size != self._dimension:
            raise _LengthError(
                f"{self._model}: gave a vector of length {vector.size}, not {self._dimension}"
            )
        return vector


def _vector(answer: object) -> Vector:
    """The one vector of an answer, scaled to unit length. Raises TierError when it holds none."""
    # The client does not validate: any attribute may be missing or of another type.
    data = getattr(answer, "data", None)
    if not isinstance(data, list) or len(data) != 1:
        raise TierError("the answer does not hold one embedding")
    try:
        # In double precision: a long vector's squares may not fit a float.
        numbers = _numbers(getattr(data[0], "embedding", None)).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TierError("the answer's embedding is not made of numbers") from error
    length = float(np.linalg.norm(numbers)) if numbers.ndim == 1 else math.nan
    if not (math.isfinite(length) and length > 0):
        raise TierError("the answer's embedding has no direction: empty, zero or not finite")
    vector: Vector = (numbers / length).astype(np.float32)
    vector.flags.writeable = False
    return vector


def _numbers(found: object) -> npt.NDArray[np.float32] | npt.NDArray[np.float64]:
    if isinstance(found, str):
        return np.frombuffer(base64.b64decode(found, validate=True), "<f4")
    # Some servers do not know base64, and send the numbers.
    return np.array(found, np.float64)
