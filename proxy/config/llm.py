"""The second judge's configuration: a language model that is asked where the verifier is unsure."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from proxy.config.section import AtStart, HttpUrl, Section, split_url


class LlmJudge(Section):
    """A language model as a second judge, on any server with OpenAI's chat completions API.

    It is sent the questions that it judges.
    """

    model: AtStart[str | None] = Field(default=None, min_length=1, max_length=256)
    """Which model judges; null has no second judge."""

    base_url: AtStart[HttpUrl] = "https://api.openai.com/v1"
    """Base of the API, with its version."""

    api_key: AtStart[SecretStr | None] = None
    """Key for it; null sends none, which suits a server of one's own."""

    ask: Literal["doubtful", "every"] = "doubtful"
    """About which neighbours it is asked: those that leave the verifier `doubtful`, or `every` one
    that similarity and guards let through. Without a verifier it is asked about every one.
    """

    doubtful_from: float = Field(default=0.2, ge=0, le=1)
    """Least probability by the verifier that is doubtful; what is below it is not served."""

    doubtful_to: float = Field(default=0.9, ge=0, le=1)
    """Highest probability by the verifier that is doubtful; what is above it is served."""

    timeout_ms: AtStart[float] = Field(default=2000, ge=10, le=600_000)
    """Longest a call may take, milliseconds. A request waits for it no longer than two fifths of
    `cache.deadline_ms`; a verdict that comes later serves the next request.
    """

    max_calls_per_minute: AtStart[int] = Field(default=60, ge=1, le=1_000_000)
    """Most calls a minute; further pairs are left to the verifier."""

    memo_entries: AtStart[int] = Field(default=10_000, ge=0, le=10_000_000)
    """Verdicts remembered for pairs that come again; 0 remembers none."""

    rewrite: bool = False
    """Have the model write a follow-up question as one that stands alone, where
    `cache.context: rewrite` finds none by rules. A call for each such conversation that is new; it
    is sent the conversation, and counts among `max_calls_per_minute`.
    """

    verdicts_file: AtStart[Path | None] = None
    """File that verdicts are added to, as labelled pairs for training and calibration; null writes
    none. It holds questions in clear, and grows without bound.
    """

    @model_validator(mode="after")
    def _has_its_key(self) -> "LlmJudge":
        is_openai = split_url(self.base_url).hostname == "api.openai.com"
        if self.model is not None and is_openai and self.api_key is None:
            raise PydanticCustomError(
                "no_key", "is needed for api.openai.com", {"at": ("api_key",)}
            )
        return self

    @model_validator(mode="after")
    def _has_who_rewrites(self) -> "LlmJudge":
        if self.rewrite and self.model is None:
            raise PydanticCustomError("no_model", "needs a model", {"at": ("rewrite",)})
        return self

    @model_validator(mode="after")
    def _doubts_something(self) -> "LlmJudge":
        if self.doubtful_from > self.doubtful_to:
            raise PydanticCustomError(
                "above_to",
                f"{self.doubtful_from:g} is above doubtful_to",
                {"at": ("doubtful_from",)},
            )
        return self
