"""An embeddings answer: taken apart into one answer an input, and put together again.

What is kept of an input is the answer it would have got alone: the origin's envelope, its one item
without the numbers, and its share of the usage. The numbers stand beside it, in place of the frames
that a streamed answer has: how they were told, and the numbers (see `vectors`).

The origin counts the tokens of a batch, not of an input. A batch's count is shared out by the
inputs' lengths, so that the shares add up to it: a batch that comes again is told the same usage,
an input that comes alone may be told an estimate.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import orjson

from proxy.core.canonical import fitted
from proxy.core.dialects.base import Json, Stamp, is_count
from proxy.core.dialects.embeddings import Encoding
from proxy.core.dialects.vectors import Numbers, Style, numbers_of
from proxy.core.model import Answer, Usage

_ITEM_ONLY: Final = "embedding"


class MixedModelsError(ValueError):
    """These answers are not one model's: who compares their vectors would compare nothing."""


def taken_apart(body: bytes, weights: Sequence[int]) -> list[Answer] | None:
    """One answer an input, in order; None when this is no answer to so many inputs.

    Args:
        body: What the origin said.
        weights: Of each input that was asked for: its share of the usage.
    """
    try:
        told = orjson.loads(body)
        items = _in_order(told["data"], len(weights))
        vectors = [numbers_of(item[_ITEM_ONLY]) for item in items]
        envelope = {name: value for name, value in told.items() if name not in {"data", "usage"}}
        usages = shared_out(told.get("usage"), weights)
        is_alone = len(weights) == 1
        return [
            _kept(envelope, item, usage, numbers, is_alone=is_alone)
            for item, usage, numbers in zip(items, usages, vectors, strict=True)
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # of a shape that no origin documents, or nested too deeply


def _in_order(items: list[Json], count: int) -> list[Json]:
    """The items by their index. Raises ValueError unless there is one for each input."""
    by_index = {item.get("index", position): item for position, item in enumerate(items)}
    if len(items) != count or sorted(by_index) != list(range(count)):
        raise ValueError("not one item for each input")
    return [by_index[index] for index in range(count)]


def _kept(envelope: Json, item: Json, usage: Any, numbers: Numbers, *, is_alone: bool) -> Answer:  # noqa: ANN401 - JSON is anything
    body: Json = {**envelope, "data": [{**item, "index": 0, _ITEM_ONLY: None}]}
    if usage is not None:
        body["usage"] = usage
    return Answer(
        body=fitted(orjson.dumps(body)),
        frames=(numbers.style.encode(), numbers.packed),
        usage=_tokens(usage, estimated=not is_alone),
    )


def _tokens(usage: object, *, estimated: bool) -> Usage | None:
    prompt = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return Usage(prompt, 0, estimated) if is_count(prompt) else None


def put_together(answers: Sequence[Answer], encoding: Encoding, stamp: Stamp) -> bytes:
    """The answer to a batch, item by item in this order.

    Args:
        answers: One an input, as `taken_apart` made them; at least one.
        encoding: How the numbers are told.
        stamp: The answer's own id and time, where the origin's answers have such fields.

    Raises:
        MixedModelsError: The origin gave them by another model's name, or in another length.
    """
    parts = [cast("Json", orjson.loads(answer.body)) for answer in answers]
    numbers = [_numbers(answer) for answer in answers]
    if len({(part.get("model"), len(one)) for part, one in zip(parts, numbers, strict=True)}) > 1:
        raise MixedModelsError
    whole = dict(parts[0])
    if "id" in whole:
        whole["id"] = stamp.id
    if "created" in whole:
        whole["created"] = stamp.created
    whole["data"] = [
        {
            **part["data"][0],
            "index": index,
            _ITEM_ONLY: one.base64 if encoding == "base64" else one.plain,
        }
        for index, (part, one) in enumerate(zip(parts, numbers, strict=True))
    ]
    whole.pop("usage", None)
    if all("usage" in part for part in parts):
        whole["usage"] = added_up([part["usage"] for part in parts])
    return orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY)


def _numbers(answer: Answer) -> Numbers:
    style, packed = answer.frames
    return Numbers(cast("Style", style.decode()), packed)


def shared_out(usage: Any, weights: Sequence[int]) -> list[Any]:  # noqa: ANN401 - JSON is anything
    """A batch's usage as its inputs' shares, which add up to it; what is no number is told to all.

    The shares of a whole number are whole: cut where the weights so far say, rounded down.
    """
    if isinstance(usage, dict):
        fields = {name: shared_out(value, weights) for name, value in usage.items()}
        return [
            {name: shares[index] for name, shares in fields.items()}
            for index in range(len(weights))
        ]
    total = sum(weights)
    if isinstance(usage, bool) or not isinstance(usage, int | float) or not total:
        return [usage] * len(weights)
    if isinstance(usage, float):
        return [usage * weight / total for weight in weights]
    shares, so_far, given = [], 0, 0
    for weight in weights:
        so_far += weight
        until = usage * so_far // total
        shares.append(until - given)
        given = until
    return shares


def added_up(usages: Sequence[Any]) -> Any:  # noqa: ANN401 - JSON is anything
    """The usage of several inputs together: numbers add up, of all else the first is told."""
    first = usages[0]
    if isinstance(first, dict):
        alike = [usage for usage in usages if isinstance(usage, dict)]
        return {name: added_up([usage[name] for usage in alike if name in usage]) for name in first}
    numbers = [n for n in usages if isinstance(n, int | float) and not isinstance(n, bool)]
    return sum(numbers) if isinstance(first, int | float) and not isinstance(first, bool) else first
