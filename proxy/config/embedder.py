"""The embedder's configuration: what turns a question into a vector."""

from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.section import HttpUrl, Section, split_url


class LocalEmbedder(Section):
    """The model that comes with the program; nothing leaves the machine."""

    threads: int = Field(default=1, ge=1, le=64)
    """Threads for one text. More than one seldom helps and makes the slowest texts slower."""

    memo_entries: int = Field(default=10_000, ge=0, le=10_000_000)
    """Vectors remembered for texts that come again; 0 remembers none."""


class OpenAiEmbedder(Section):
    """Any server with OpenAI's embeddings API."""

    base_url: HttpUrl = "https://api.openai.com/v1"
    """Base of the API, with its version."""

    api_key: SecretStr | None = None
    """Key for it; null sends none, which suits a server of one's own."""

    model: str = Field(default="text-embedding-3-small", min_length=1, max_length=256)
    """Which model embeds."""

    dimensions: int | None = Field(default=None, ge=8, le=16_384)
    """Length of the vectors to ask for; null takes the model's own."""

    timeout_ms: float = Field(default=2000, ge=10, le=600_000)
    """Longest wait for a vector, milliseconds; a lookup ends earlier, by `cache.deadline_ms`."""

    max_retries: int = Field(default=1, ge=0, le=10)
    """Further tries after a failure that may pass."""


class Embedder(Section):
    """What turns a question into a vector. Changing it makes the stored vectors useless."""

    kind: Literal["local", "openai", "none"] = "local"
    """`local`, `openai` for a server, or `none`: only exact repeats are answered."""

    local: LocalEmbedder = LocalEmbedder()
    """For the kind `local`."""

    openai: OpenAiEmbedder = OpenAiEmbedder()
    """For the kind `openai`."""

    @model_validator(mode="after")
    def _has_its_key(self) -> "Embedder":
        is_openai = split_url(self.openai.base_url).hostname == "api.openai.com"
        if self.kind == "openai" and is_openai and self.openai.api_key is None:
            raise PydanticCustomError(
                "no_key", "is needed for api.openai.com", {"at": ("openai", "api_key")}
            )
        return self
