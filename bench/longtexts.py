"""Could long questions be embedded by their head and tail? `python -m bench.longtexts PAIRS`.

PAIRS is a file that `reprise eval pairs` reads. Both questions of a pair are put into the same long
text, other rows' questions, at its head, in its middle or at its tail: some 500 tokens, where the
shipped model reads 256. Three rules are tried:

- joined: the first 127 tokens and the last 127, as one text;
- mean: the first 254 and the last 254, each a text, and the mean of the two cosines;
- lesser: the same, and the lesser of the two.

Said is, for each label, the share of pairs whose similarity is enough, and the share that is still
served once the guards have read the whole texts; and how well the similarity tells the labels
apart: the share of (good, bad) couples that it has in the right order, where one half is chance.
"""

import argparse
import gzip
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from proxy.core.judgement.base import judge
from proxy.core.judgement.reading import read
from proxy.core.judgement.thresholds import calibration
from proxy.core.judgement.verdict import Accept
from proxy.core.model import Vector
from proxy.embedding.onnx import MINILM
from proxy.modelfolder import Card, load

AROUND = 44
"""Questions that a pair's is put among."""

PLACES = {"alone": None, "head": 0, "middle": AROUND // 2, "tail": AROUND}

Row = dict[str, Any]
Cosine = Callable[[str, str], float]


@dataclass(frozen=True)
class Tried:
    """One pair under one rule."""

    is_good: bool
    cosine: float
    is_near: bool
    is_served: bool


class Windows:
    """Embeds parts of a text."""

    def __init__(self) -> None:
        loaded = load(MINILM, Card.read(MINILM))
        self._tokenizer = loaded.tokenizer
        self._session = loaded.session

    def rules(self) -> dict[str, Cosine]:
        """By name."""
        return {"joined": self._joined, "mean": self._mean, "lesser": self._lesser}

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _vector(self, ids: list[int]) -> Vector:
        first, last = map(self._tokenizer.token_to_id, ("[CLS]", "[SEP]"))
        feed = np.array([[first, *ids, last]], np.int64)
        return np.asarray(
            self._session.run(None, {"input_ids": feed, "attention_mask": np.ones_like(feed)})[0][0]
        )

    def _joined(self, one: str, other: str) -> float:
        left, right = (
            self._vector(ids if len(ids) <= 254 else [*ids[:127], *ids[-127:]])  # noqa: PLR2004
            for ids in map(self._ids, (one, other))
        )
        return float(left @ right)

    def _two(self, one: str, other: str) -> tuple[float, float]:
        left, right = self._ids(one), self._ids(other)
        head = float(self._vector(left[:254]) @ self._vector(right[:254]))
        return head, float(self._vector(left[-254:]) @ self._vector(right[-254:]))

    def _mean(self, one: str, other: str) -> float:
        return sum(self._two(one, other)) / 2

    def _lesser(self, one: str, other: str) -> float:
        return min(self._two(one, other))


def _texts(row: Row, place: int | None, others: Sequence[str]) -> Iterator[str]:
    for name in ("a", "b"):
        before = others[: place or 0] if place is not None else ()
        after = others[place:] if place is not None else ()
        yield " ".join([*before, row[name], *after])


def _order(tried: Sequence[Tried]) -> float:
    good = np.array([one.cosine for one in tried if one.is_good])
    bad = np.array([one.cosine for one in tried if not one.is_good])
    above, equal = good[:, None] > bad, good[:, None] == bad
    return float(np.mean(above + equal / 2))


def _share(tried: Sequence[Tried], of: Callable[[Tried], bool], *, is_good: bool) -> str:
    chosen = [of(one) for one in tried if one.is_good is is_good]
    return f"{sum(chosen) / len(chosen):.0%}"


def measured(rows: Sequence[Row], cosine: Cosine, place: int | None) -> list[Tried]:
    """Every row, each among questions of its own."""
    rng = random.Random(3)
    least = calibration(Card.read(MINILM).id).threshold
    found = []
    for row in rows:
        others = [one["a"] for one in rng.sample(rows, AROUND)]
        new, old = _texts(row, place, others)
        near = cosine(new, old)
        verdict = judge(read(new), read(old), near, threshold=least)
        found.append(Tried(row["label"] == 1, near, near >= least, isinstance(verdict, Accept)))
    return found


def main() -> None:
    """Print a row for each place and rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--rows", type=int, default=200)
    asked = parser.parse_args()
    opened = gzip.open if asked.pairs.suffix == ".gz" else open
    with opened(asked.pairs, "rt", encoding="utf-8") as lines:
        known = [json.loads(line) for line in lines]
    rows = random.Random(1).sample(known, min(asked.rows, len(known)))
    rules = Windows().rules()
    print("place   rule    near: good  bad   served: good  bad   in order")
    for (name, place), (rule, cosine) in itertools.product(PLACES.items(), rules.items()):
        tried = measured(rows, cosine, place)
        shares = [
            _share(tried, of, is_good=is_good)
            for of in (lambda one: one.is_near, lambda one: one.is_served)
            for is_good in (True, False)
        ]
        near_good, near_bad, good, bad = (f"{one:>5}" for one in shares)
        order = f"{_order(tried):.2f}"
        print(f"{name:7} {rule:7} {near_good:>10} {near_bad} {good:>12} {bad} {order:>10}")


if __name__ == "__main__":
    main()
