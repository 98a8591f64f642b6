"""Text completions as a stream: `watch` makes an answer of it, `unfold` it of an answer.

A chunk is shaped like an answer: texts are joined, and log-probabilities are lists over the tokens,
which are put end to end. What is unfolded and put together again is the same answer.
"""

from collections.abc import Iterator
from typing import Final

from proxy.core.admission import AnswerFacts
from proxy.core.dialects import chunks
from proxy.core.dialects.base import Json
from proxy.core.dialects.choices_stream import Choices, ChoicesFold, ChoicesProgress, Place
from proxy.core.dialects.deltas import settle
from proxy.core.dialects.pieces import words

_COMPLETION: Final = "text_completion"


def watch() -> ChoicesProgress:
    """A new watch over a stream, which makes a `text_completion` of its chunks."""
    return ChoicesProgress(ChoicesFold(_COMPLETION, _add_choice, _grows), _COMPLETION)


def _add_choice(known: Choices, part: Json) -> None:
    index = part.get("index", 0)
    if type(index) is not int:
        raise TypeError("a choice without a number")
    choice = known.setdefault(index, {"index": index})
    for name, value in part.items():
        so_far = choice.get(name)
        if name == "text" and isinstance(so_far, str) and value is not None:
            choice[name] = so_far + value
        elif name == "logprobs" and isinstance(so_far, dict) and isinstance(value, dict):
            _add_logprobs(so_far, value)
        else:
            settle(choice, ((name, value),))


def _grows(choice: Json, part: Json) -> Place | None:
    """The text of a choice, where it is all that a part of it adds to."""
    is_text = isinstance(part.get("text"), str) and isinstance(choice.get("text"), str)
    return (choice, "text") if is_text and part.get("logprobs") is None else None


def _add_logprobs(known: Json, part: Json) -> None:
    """Lists go on where they stopped; what is no list is told, not streamed."""
    for name, value in part.items():
        if isinstance(value, list) and isinstance(known.get(name), list):
            known[name] = known[name] + value
        else:
            settle(known, ((name, value),))


def unfold(answer: Json, *, include_usage: bool) -> list[bytes]:
    """The answer as OpenAI streams it: the text in words or tokens, the finish; then the usage."""
    return chunks.unfold(answer, _COMPLETION, _parts, include_usage=include_usage)


def usage_frame(answer: Json) -> bytes | None:
    """The chunk that tells the usage, after all others; None when it is not known."""
    return chunks.usage_frame(answer, _COMPLETION)


def _parts(choice: Json, position: int) -> Iterator[Json]:
    """One choice's parts of the chunks, in order."""
    text, logprobs = choice.get("text"), choice.get("logprobs")
    told: Json = {name: None for name in ("logprobs", "finish_reason") if name in choice}
    begin: Json = {"index": choice.get("index", position)}
    known = {"index", "text", *told}
    extra = {name: value for name, value in choice.items() if name not in known}
    pieces = list(_pieces(text, logprobs)) if isinstance(text, str) else []
    if not pieces:
        pieces = [({"text": text} if "text" in choice else {}, logprobs)]
    for number, (said, tokens) in enumerate(pieces):
        more = {} if number else extra
        yield {**begin, **said, **told, **({} if tokens is None else {"logprobs": tokens}), **more}
    end: Json = {"text": ""} if isinstance(text, str) else {}
    if "finish_reason" in choice:
        end["finish_reason"] = choice["finish_reason"]
    yield {**begin, **told, **end, **extra}


def _pieces(text: str, logprobs: object) -> Iterator[tuple[Json, object]]:
    """(text, its log-probabilities or None): a piece a token where the tokens spell the text."""
    tokens = logprobs.get("tokens") if isinstance(logprobs, dict) else None
    if not isinstance(logprobs, dict) or not _spell(tokens, text):
        told = logprobs
        for word in words(text):
            yield {"text": word}, told
            told = None
        return
    # The lists over the tokens are cut with them; all else is told once, with the first.
    count = len(tokens or ())
    cut = {n: v for n, v in logprobs.items() if isinstance(v, list) and len(v) == count}
    rest = {name: value for name, value in logprobs.items() if name not in cut}
    for number, token in enumerate(tokens or ()):
        own = {name: values[number : number + 1] for name, values in cut.items()}
        yield {"text": token}, {**own, **rest}
        rest = dict.fromkeys(rest)


def _spell(tokens: object, text: str) -> bool:
    return (
        isinstance(tokens, list)
        and all(isinstance(token, str) for token in tokens)
        and "".join(tokens) == text
    )


def _choices(answer: Json) -> list[Json]:
    return [choice for choice in answer.get("choices") or () if isinstance(choice, dict)]


def facts(answer: Json) -> AnswerFacts:
    """What decides whether an answer may be kept. White space alone says nothing."""
    found = _choices(answer)
    texts = [choice.get("text") for choice in found]
    return AnswerFacts(
        finish=tuple(str(choice.get("finish_reason")) for choice in found),
        empty=not found or not all(isinstance(text, str) and text.strip() for text in texts),
        refusal=False,
        tool_calls=False,
    )


def said(answer: Json) -> tuple[str, ...] | None:
    """What each choice says to the caller; None where one says nothing that can be read."""
    texts = [choice.get("text") for choice in _choices(answer)]
    return tuple(map(str, texts)) if all(isinstance(text, str) for text in texts) else None
