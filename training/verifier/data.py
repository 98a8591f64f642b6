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
from families import Maker, Pair, read_families, read_slots
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


def every(folder: Path, count: int, seed: int) -> Iterator[tuple[Pair, bool]]:
    rng = np.random.default_rng(seed)
    yield from own(count, rng)
    hard_pairs = list(hard(folder))
    yield from hard_pairs
    yield from (item for item in hard_pairs if not item[1])
    texts = [pair.a for pair, held in hard_pairs if not held]
    for pair in sets(folder):
        texts.append(pair.a)
        yield pair, False
    for name in ("groups_banking77", "groups_clinc150"):
        texts += [row["text"] for row in rows(folder, name) if len(row["text"]) < 200]
        yield from ((pair, False) for pair in groups(folder, name, rng, 4000))
    yield from ((pair, False) for pair in rewritten(texts, count // 3, rng))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=36_000, help="of our own families")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed + 1)
    kinds: dict[str, int] = defaultdict(int)
    with options.out.open("w", encoding="utf-8") as out:
        for pair, validation in every(options.data, options.count, options.seed):
            a, b = (dressed(pair.a, rng), dressed(pair.b, rng)) if not validation else (pair.a, pair.b)
            if rng.random() < 0.5:
                a, b = b, a
            kinds[f"{pair.kind} {pair.label}{' held' if validation else ''}"] += 1
            row = {"a": a, "b": b, "label": pair.label, "kind": pair.kind, "validation": validation}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(json.dumps(kinds, indent=1))


if __name__ == "__main__":
    main()
