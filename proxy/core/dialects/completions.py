"""Text completions: read a request.

A prompt is a question only where it stands as one: a single line, as long as questions are, of one
sentence or two that have ended. Anything else is a text to continue, or examples to imitate, and
what is written next depends on every word of it: another prompt's answer never serves.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from proxy.core.dialects import choices, completions_stream, stamping
from proxy.core.dialects.base import Json, Stamp
from proxy.core.dialects.completions_parameters import TABLE
from proxy.core.dialects.reader import Found, Reader, UnknownShapeError

MAX_QUESTION_CHARS: Final = 300
"""Over what nearly all questions have; what is longer brings a text of its own along."""

MAX_SENTENCES: Final = 2
"""A question and what it is about. Examples in one line have more."""

_ENDED: Final = (".", "?", "!", "。", "？", "！", "؟", "।")  # noqa: RUF001 - they end sentences
_LINES: Final = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_SENTENCE: Final = re.compile(r"[.?!]+(?=\s)|[。？！؟।]+(?=.)")  # noqa: RUF001 - the same


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What is to be continued.

    Attributes:
        text: All its text; "" where it is token ids.
        shape: Whatever else is part of it: the ids, or where one prompt ends and the next begins.
        exact_only: Why no other prompt's answer may serve; None when one may.
    """

    text: str
    shape: Any
    exact_only: str | None


class Completions(Reader):
    """`POST /v1/completions`."""

    api = "completions"
    path = "/v1/completions"
    table = TABLE
    end_marker = choices.END
    watch = staticmethod(completions_stream.watch)
    unfold = staticmethod(completions_stream.unfold)
    usage_frame = staticmethod(completions_stream.usage_frame)
    is_usage_frame = staticmethod(choices.is_usage_frame)
    is_answer = staticmethod(choices.is_answer)
    facts = staticmethod(completions_stream.facts)
    said = staticmethod(completions_stream.said)
    usage_of = staticmethod(choices.usage_of)
    with_usage = staticmethod(choices.with_usage)
    refresh = staticmethod(stamping.refresh)

    def stamp(self, token: str, created: int, body: Json) -> Stamp:
        """An id like OpenAI's."""
        return Stamp(f"cmpl-{token}", created, is_padded=stamping.is_padded(body))

    def name_of(self, frame: bytes) -> str:  # noqa: ARG002 - a chunk has no name
        """Chunks are data alone."""
        return ""

    def texts_of(self, body: Json, answer: Json) -> tuple[str, str]:
        """The text of all prompts, and of all choices. Token ids are told as they are."""
        prompt = body.get("prompt")
        prompts = prompt if isinstance(prompt, list) else [prompt or ""]
        told = "\n".join(one if isinstance(one, str) else str(one) for one in prompts)
        return told, "\n".join(completions_stream.said(answer) or ())

    def find(self, body: Json) -> Found:
        """Its prompt."""
        prompt = _prompt(body.get("prompt"))
        stream, include_usage = choices.delivery(body)
        return Found(
            question=prompt.text,
            context=prompt.shape,
            stream=stream,
            include_usage=include_usage,
            exact_only=prompt.exact_only,
        )


def _prompt(prompt: object) -> _Prompt:
    """The prompt. A list of one is that one, as every origin takes it."""
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if prompt is None or prompt == []:
        return _Prompt("", [prompt], "no question")
    if isinstance(prompt, str):
        return _Prompt(prompt, None, _why_no_question(prompt))
    if not isinstance(prompt, list):
        raise UnknownShapeError("prompt")
    if all(isinstance(one, str) for one in prompt):
        return _Prompt("\n".join(prompt), [len(one) for one in prompt], "several prompts")
    if _are_tokens(prompt) or all(isinstance(one, list) and _are_tokens(one) for one in prompt):
        return _Prompt("", prompt, "token ids")
    raise UnknownShapeError("prompt")


def _are_tokens(prompt: list[Any]) -> bool:
    return all(type(token) is int for token in prompt)


def _why_no_question(prompt: str) -> str | None:
    """Why a prompt is not a question; None when it is one."""
    text = prompt.strip()
    if not text:
        return "no question"
    if _LINES.search(text):
        return "several lines"
    if len(text) > MAX_QUESTION_CHARS:
        return "longer than a question"
    if not text.endswith(_ENDED):
        return "a text to continue"
    if len(_SENTENCE.findall(text)) >= MAX_SENTENCES:
        return "several sentences"
    return None
