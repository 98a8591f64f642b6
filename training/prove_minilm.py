"""Show that int8 lost nothing: ROC AUC on labelled pairs for fp32 and int8, and their cosines.

The int8 model is the shipped file; fp32 is built here from the published weights. Both run each
text alone, as the proxy does. The label 1 means that one answer serves both questions.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from build_minilm import MAX_TOKENS, TARGET, build, read_weights, source
from tokenizers import Tokenizer

PAIRS = Path(__file__).parent.parent.parent / "shared" / "data" / "pairs_qqp_dev.jsonl.gz"
LEAST_COSINE = 0.99
MOST_AUC_LOST = 0.005

Floats = npt.NDArray[np.float32]


def session(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def vectors(model: bytes, tokens: Sequence[Sequence[int]], workers: int) -> Floats:
    runner = session(model)

    def embed(ids: Sequence[int]) -> Floats:
        feed = np.array([ids], np.int64)
        found = runner.run(None, {"input_ids": feed, "attention_mask": np.ones_like(feed)})
        return np.asarray(found[0][0], np.float32)

    with ThreadPoolExecutor(workers) as pool:
        return np.stack(list(pool.map(embed, tokens, chunksize=64)))


def auc(scores: Floats, labels: npt.NDArray[np.bool_]) -> float:
    """The chance that a random positive scores above a random negative; ties count half."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[inverse]
    positives = int(labels.sum())
    negatives = len(labels) - positives
    above = ranks[labels].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def read_pairs(path: Path, rows: int | None) -> list[dict[str, Any]]:
    """All rows, or this many spread evenly over the file: the same ones every time."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        pairs = [json.loads(line) for line in lines]
    if rows is None or rows >= len(pairs):
        return pairs
    return [pairs[index * len(pairs) // rows] for index in range(rows)]


def prove(pairs: list[dict[str, Any]], models: dict[str, bytes], workers: int) -> bool:
    tokenizer = Tokenizer.from_file(str(TARGET / "tokenizer.json"))
    texts = sorted({pair[side] for pair in pairs for side in ("a", "b")})
    tokens = [encoding.ids[:MAX_TOKENS] for encoding in tokenizer.encode_batch(texts)]
    place = {text: index for index, text in enumerate(texts)}
    left = np.array([place[pair["a"]] for pair in pairs])
    right = np.array([place[pair["b"]] for pair in pairs])
    labels = np.array([pair["label"] == 1 for pair in pairs])
    found = {name: vectors(model, tokens, workers) for name, model in models.items()}
    areas = {
        name: auc((table[left] * table[right]).sum(axis=1), labels) for name, table in found.items()
    }
    cosines = (found["fp32"] * found["int8"]).sum(axis=1)
    print(f"pairs {len(pairs)} ({labels.sum()} positive), texts {len(texts)}")
    for name, area in areas.items():
        print(f"{name} AUC {area:.4f}")
    print(f"cosine of int8 with fp32: mean {cosines.mean():.4f}, min {cosines.min():.4f}")
    return bool(cosines.mean() >= LEAST_COSINE and areas["fp32"] - areas["int8"] <= MOST_AUC_LOST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, nargs="?", default=PAIRS)
    parser.add_argument("--rows", type=int, help="only this many, spread evenly")
    parser.add_argument("--source", help="folder with the published weights")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    plain = build(read_weights(source(options.source)), quantised=False)
    models = {
        "fp32": plain.SerializeToString(deterministic=True),
        "int8": (TARGET / "model.onnx").read_bytes(),
    }
    if not prove(read_pairs(options.pairs, options.rows), models, options.workers):
        sys.exit("int8 drifted: below the bar")


if __name__ == "__main__":
    main()
