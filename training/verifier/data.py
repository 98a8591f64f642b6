"""Write the training pairs: our own families, rewritings, and the sets whose licence allows it.

    python training/verifier/data.py --data FOLDER --out pairs.jsonl

Whole families and whole templates of `pairs_hard` are held out (`validation` in each row); of the
sets that measure the result, `pairs_semanticmemo`, `pairs_checklist`, `pairs_langcache_chatgpt` and
`pairs_gated_adversarial` are not read at all.
"""

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime as ort
from families import Maker, Pair, listed, read_families, read_slots
from relations import Relations
from rewrites import changed, dressed
from tokenizers import Tokenizer

from proxy.core.judgement.base import read
from proxy.core.judgement.guards import ALL
from proxy.embedding.onnx import MINILM

HELD_OUT = 4  # one in four templates of pairs_hard, one in eight families
SEED = 20240607


def is_held_out(name: str, share: int) -> bool:
    """The same names on every machine."""
    return sha256(name.encode()).digest()[0] % share == 0


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(folder / f"{name}_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def own(count: int, rng: np.random.Generator) -> Iterator[tuple[Pair, bool]]:
    families, slots = read_families(), read_slots()
    kept = [f if not is_held_out(f[0].wordings[0], 8) else [] for f in families]
    held = [f if is_held_out(f[0].wordings[0], 8) else [] for f in families]
    for chosen, share, validation in ((kept, count, False), (held, count // 20, True)):
        some = [f for f in chosen if f]
        for pair in islice(Maker(some, slots, rng).pairs(), share):
            yield pair, validation


def joined(pairs: list[Pair], count: int, rng: np.random.Generator) -> Iterator[Pair]:
    """Two questions in one text: one answer serves where it serves both. Or a shared beginning."""
    for _ in range(count):
        one, other = (pairs[int(i)] for i in rng.integers(len(pairs), size=2))
        kept = changed_at_most(one, rng)
        first, last = (kept, other) if rng.random() < 0.5 else (other, kept)
        yield Pair(
            f"{sentence(first.a)} {sentence(last.a)}",
            f"{sentence(first.b)} {sentence(last.b)}",
            first.label & last.label,
            "joined",
        )


FILTERS = listed(
    """site:docs.python.org site:bbc.com site:gov.uk site:wikipedia.org site:example.edu
    tag:postgres tag:design tag:hiring in:title in:body in:comments filetype:pdf filetype:csv
    tag:release sort:recent sort:top after:2023-01-01 after:2024-06-01 before:2022 lang:en lang:de
    author:anna is:open is:closed repo:api"""
)


def filtered(pairs: list[Pair], count: int, rng: np.random.Generator) -> Iterator[Pair]:
    """A search operator at either end: where it stands says nothing, its value does."""
    for _ in range(count):
        pair = pairs[int(rng.integers(len(pairs)))]
        a, b = pair.a, pair.b if rng.random() < 0.3 else pair.a
        ours, theirs = (FILTERS[int(i)] for i in rng.integers(len(FILTERS), size=2))
        theirs = theirs if rng.random() < 0.4 else ours
        label = (pair.label if b is pair.b else 1) if ours == theirs else 0
        a, b = (
            f"{op} {text}" if rng.random() < 0.5 else f"{text.rstrip(' ?.!')} {op}"
            for op, text in ((ours, a), (theirs, b))
        )
        yield Pair(a, b, label, "filtered")


def changed_at_most(pair: Pair, rng: np.random.Generator) -> Pair:
    """Mostly the same on both sides, so that what differs is one thing in a long text."""
    return Pair(pair.a, pair.a, 1, pair.kind) if rng.random() < 0.6 else pair


def sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."


def rewritten(texts: list[str], count: int, rng: np.random.Generator) -> Iterator[Pair]:
    """Half the same question typed anew, half another one."""
    while count > 0:
        text = texts[int(rng.integers(len(texts)))]
        other = changed(text, rng) if rng.random() < 0.6 else text
        if other is None:
            continue
        count -= 1
        yield Pair(text, other, int(other is text), "rewritten")


def hard(folder: Path) -> Iterator[tuple[Pair, bool]]:
    for row in rows(folder, "pairs_hard"):
        pair = Pair(row["a"], row["b"], int(row["label"]), "hard")
        yield pair, is_held_out(row["template"], HELD_OUT)


def sets(folder: Path) -> Iterator[Pair]:
    for name in ("pairs_snips_slots", "pairs_svamp", "pairs_gptcache_mock"):
        for row in rows(folder, name):
            if len(row["a"]) + len(row["b"]) < 600:
                yield Pair(row["a"], row["b"], int(row["label"]), name)


def vectors(texts: list[str]) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(MINILM / "model.onnx", options)
    words = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    found = []
    for text in texts:
        ids = np.array([words.encode(text).ids[:256]], np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        found.append(session.run(None, feed)[0][0])
    return np.stack(found)


def groups(folder: Path, name: str, rng: np.random.Generator, size: int) -> Iterator[Pair]:
    """Near texts of one intent that no guard parts, and near texts of two intents.

    An intent is not an answer: where a guard sees another number, place or name, nobody knows.
    """
    found = [row for row in rows(folder, name) if not row.get("oos") and len(row["text"]) < 200]
    found = [found[int(i)] for i in rng.permutation(len(found))[:size]]
    texts = [row["text"] for row in found]
    intents = np.array([row["group"] for row in found])
    units = vectors(texts)
    cosines = units @ units.T
    np.fill_diagonal(cosines, 0)
    taken: dict[int, int] = defaultdict(int)
    for i, row in enumerate(cosines):
        for j in np.argsort(-row)[:12]:
            same = intents[i] == intents[j]
            if row[j] < (0.80 if same else 0.62) or taken[i] > 1:
                continue
            ours, theirs = read(texts[i]), read(texts[j])
            if same and any(guard.veto(ours, theirs) for guard in ALL):
                continue
            taken[i] += 1
            yield Pair(texts[i], texts[j], int(same), name)


def every(options: argparse.Namespace) -> Iterator[tuple[Pair, bool]]:
    """Our families and relations; the sets; then rewritings of every text in them."""
    folder, count, with_sets = options.data, options.count, not options.without_sets
    rng = np.random.default_rng(options.seed)
    ours = list(own(count, rng))
    yield from ours
    yield from ((pair, False) for pair in islice(Relations(read_slots(), rng).pairs(), count // 5))
    hard_pairs = list(hard(folder))
    texts = [pair.a for pair, held in hard_pairs if not held]
    if with_sets:
        yield from hard_pairs
        yield from (item for item in hard_pairs if not item[1])
    for pair in sets(folder):
        texts.append(pair.a)
        if with_sets:
            yield pair, False
    for name in ("groups_banking77", "groups_clinc150"):
        texts += [row["text"] for row in rows(folder, name) if len(row["text"]) < 200]
        if with_sets:
            yield from ((pair, False) for pair in groups(folder, name, rng, 2000))
    texts += [pair.a for pair, held in ours[: len(texts)] if not held]
    swaps = list(rewritten(texts, count // 2, rng))
    yield from ((pair, False) for pair in swaps)
    plain = [pair for pair, held in ours if not held] + swaps
    yield from ((pair, False) for pair in joined(plain, count // 8, rng))
    yield from ((pair, False) for pair in filtered(plain, count // 25, rng))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=36_000, help="of our own families")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--without-sets", action="store_true", help="only pairs of our own making")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed + 1)
    kinds: dict[str, int] = defaultdict(int)
    with options.out.open("w", encoding="utf-8") as out:
        for pair, validation in every(options):
            a, b = (
                (dressed(pair.a, rng), dressed(pair.b, rng)) if not validation else (pair.a, pair.b)
            )
            if rng.random() < 0.5:
                a, b = b, a
            kinds[f"{pair.kind} {pair.label}{' held' if validation else ''}"] += 1
            row = {"a": a, "b": b, "label": pair.label, "kind": pair.kind, "validation": validation}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(json.dumps(kinds, indent=1))


if __name__ == "__main__":
    main()
