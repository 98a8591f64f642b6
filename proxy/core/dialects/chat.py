"""Chat completions: read a request.

System and developer messages are keyed with their positions among the turns, so the same
instruction moved is another scope.
"""

from typing import Any, Final

from proxy.core.dialects import chat_answer, chat_stream, chat_unfold, choices, stamping
from proxy.core.dialects.base import Json, Stamp
from proxy.core.dialects.chat_parameters import TABLE
from proxy.core.dialects.contents import Contents, Question, is_one_of, talk
from proxy.core.dialects.reader import Found, Reader, UnknownShapeError

_INSTRUCTIONS: Final = frozenset({"system", "developer"})
_CONTENTS: Final = Contents(
    texts=frozenset({"text"}), unkeyed=frozenset({"prompt_cache_breakpoint"})
)
_AUDIO: Final = frozenset({"input_audio", "audio"})


class Chat(Reader):
    """`POST /v1/chat/completions`."""

    api = "chat.completions"
    path = "/v1/chat/completions"
    table = TABLE
    end_marker = choices.END
    watch = staticmethod(chat_stream.watch)
    unfold = staticmethod(chat_unfold.unfold)
    usage_frame = staticmethod(chat_unfold.usage_frame)
    is_usage_frame = staticmethod(choices.is_usage_frame)
    is_answer = staticmethod(choices.is_answer)
    facts = staticmethod(chat_answer.facts)
    said = staticmethod(chat_answer.said)
    usage_of = staticmethod(choices.usage_of)
    with_usage = staticmethod(choices.with_usage)
    refresh = staticmethod(stamping.refresh)

    def stamp(self, token: str, created: int, body: Json) -> Stamp:
        """An id like OpenAI's."""
        return Stamp(f"chatcmpl-{token}", created, is_padded=stamping.is_padded(body))

    def name_of(self, frame: bytes) -> str:  # noqa: ARG002 - a chunk has no name
        """Chunks are data alone."""
        return ""

    def texts_of(self, body: Json, answer: Json) -> tuple[str, str]:
        """The text of all messages, and of all choices."""
        contents = (message.get("content") for message in body["messages"])
        return "\n".join(map(chat_answer.text_in, contents)), chat_answer.text_of(answer)

    def find(self, body: Json) -> Found:
        """Its messages."""
        system, turns, question = _split(body.get("messages"))
        stream, include_usage = choices.delivery(body)
        return Found(
            question=question.text,
            context=[turns, question.rest],
            stream=stream,
            include_usage=include_usage,
            system=system,
            exact_only=None if question.text.strip() else "no question",
            bypass="audio" if any(map(_has_audio, body["messages"])) else None,
            talk=talk(turns, question),
        )


def _split(messages: object) -> tuple[list[Any], list[Any], Question]:
    """(instructions with their positions, earlier turns, the question)."""
    if not isinstance(messages, list) or not messages:
        raise UnknownShapeError("messages")
    system: list[Any] = []
    turns: list[Any] = []
    for position, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise UnknownShapeError(f"messages[{position}]")
        if message["role"] in _INSTRUCTIONS:
            system.append([len(turns), _CONTENTS.keyed(message)])
        else:
            turns.append(message)
    if not turns or messages[-1].get("role") != "user":
        return system, [_CONTENTS.keyed(turn) for turn in turns], Question()
    earlier = [_CONTENTS.keyed(turn) for turn in turns[:-1]]
    return system, earlier, _CONTENTS.question(turns[-1])


def _has_audio(message: Json) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    return message.get("audio") is not None or any(
        isinstance(part, dict) and is_one_of(part.get("type"), _AUDIO) for part in parts
    )
