"""Measure the cascade: similarity, guards and verifier, for every labelled set.

    python training/verifier/evaluate.py --data FOLDER [--model FOLDER]

Scores are kept in `--scores` (npz: label, cosine, vetoed, probability; one array a set).
"""

import argparse
import gzip
import json
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from data import HELD_OUT, is_held_out
from tokenizers import Tokenizer

from proxy.core.judgement.base import read
from proxy.core.judgement.guards import ALL
from proxy.core.judgement.thresholds import calibration
from proxy.core.judgement.weighing import weighed
from proxy.embedding.onnx import MINILM

VERIFIER = MINILM.parent / "verifier"
SAMPLE = 6000
LEAST = 0.7  # no pair below is verified: no threshold goes so low
SURE = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
BARS = {
    "hard, unseen": (85, 2),
    "langcache_chatgpt": (80, 4),
    "paws_qqp": (50, 8),
    "semanticmemo": (75, 4),
    "gated_adversarial": (60, 4),
    "checklist": (75, 6),
    "qqp": (55, 8),
}


class Embedding:
    """The shipped embedder, one text at a time."""

    def __init__(self) -> None:
        self._session = session(MINILM)
        self._words = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
        self._known: dict[str, np.ndarray] = {}

    def __call__(self, text: str) -> np.ndarray:
        if text not in self._known:
            ids = np.array([self._words.encode(text).ids[:256]], np.int64)
            feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            self._known[text] = self._session.run(None, feed)[0][0]
        return self._known[text]


def session(folder: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return ort.InferenceSession(folder / "model.onnx", options)


class Verifier:
    """The verifier as shipped, one pair at a time."""

    def __init__(self, folder: Path) -> None:
        self._session = session(folder)
        self._words = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._words.no_truncation()
        self.times: list[float] = []

    def __call__(self, a: str, b: str) -> float:
        start = time.perf_counter()
        found = self._words.encode(a, b)
        if len(found.ids) > 160:
            return 0.0
        feed = {
            "input_ids": np.array([found.ids], np.int64),
            "token_type_ids": np.array([found.type_ids], np.int64),
        }
        result = float(self._session.run(None, feed)[0][0, 0])
        self.times.append(time.perf_counter() - start)
        return result


def load(folder: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(folder / f"pairs_{name}_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    if len(rows) > SAMPLE:
        rng = np.random.default_rng(1)
        rows = [rows[int(i)] for i in rng.choice(len(rows), SAMPLE, replace=False)]
    return rows


def vetoed(a: str, b: str) -> bool:
    ours, theirs = read(a), read(b)
    return ours.plain != theirs.plain and any(guard.veto(ours, theirs) for guard in ALL)


def measure(rows: list[dict[str, str]], embed: Embedding, verify: Verifier) -> np.ndarray:
    """(rows, 4): label, cosine, vetoed, probability."""
    found = []
    for row in rows:
        a, b = row["a"], row["b"]
        cosine = float(embed(a) @ embed(b))
        near = cosine >= LEAST
        found.append(
            (float(row["label"]), cosine, not near or vetoed(a, b), verify(a, b) if near else 0.0)
        )
    return np.array(found)


def served(found: np.ndarray, sure: float, lean: float, *, guards: bool = True) -> np.ndarray:
    """Which rows are served; the similarity is heard as in `proxy.core.judgement.weighing`."""
    sums = np.array([weighed(p, cosine, lean) for cosine, p in found[:, (1, 3)]])
    return (found[:, 1] >= LEAST) & (sums >= sure) & ((found[:, 2] == 0) | (not guards))


def table(scores: dict[str, np.ndarray], lean: float, *, guards: bool) -> None:
    """Served of good / wrong of traps, in percent; a star where both meet the bar."""
    print(f"lean {lean:g}, guards {'on' if guards else 'off'}".ljust(26), end="")
    print(" ".join(f"{sure:.2f}".rjust(11) for sure in SURE))
    for name, found in scores.items():
        bar = BARS.get(name)
        cells = []
        for sure in SURE:
            chosen = served(found, sure, lean, guards=guards)
            good, wrong = (
                100 * chosen[found[:, 0] == label].mean()
                if (found[:, 0] == label).any()
                else np.nan
                for label in (1, 0)
            )
            met = "*" if bar and good >= bar[0] and wrong <= bar[1] else " "
            cells.append(f"{good:4.0f}/{wrong:4.1f}{met}".rjust(11))
        print(f"{name:18s} {f'{bar[0]}/{bar[1]}' if bar else '':6s} " + " ".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=VERIFIER)
    parser.add_argument("--lean", type=float, default=calibration("minilm-l6-v2-int8").lean)
    parser.add_argument("--scores", type=Path, help="keep the scores here")
    options = parser.parse_args()
    embed, verify = Embedding(), Verifier(options.model)
    scores: dict[str, np.ndarray] = {}
    for path in sorted(options.data.glob("pairs_*_dev.jsonl.gz")):
        name = path.name.removeprefix("pairs_").removesuffix("_dev.jsonl.gz")
        rows = load(options.data, name)
        scores[name] = measure(rows, embed, verify)
        if name == "hard":
            unseen = np.array([is_held_out(row["template"], HELD_OUT) for row in rows])
            scores["hard, unseen"] = scores[name][unseen]
    if options.scores:
        np.savez(options.scores, **scores)
    for lean, guards in ((options.lean, True), (0, True), (0, False)):
        table(scores, lean, guards=guards)
    print(
        "one pair, ms: p50 {:.2f} p99 {:.2f}".format(*np.percentile(verify.times, [50, 99]) * 1e3)
    )


if __name__ == "__main__":
    main()
