"""The design without a second network: features of a pair, then trees or a logistic regression.

    python training/verifier/features.py --pairs pairs.jsonl --data FOLDER

Features: the embedder's cosine; how well each word of one question is matched by the other's best
(mean and worst, both ways, from the tokens' vectors); words shared, words alone, lengths; word
order (inversions among the words shared); and each guard's veto. Reported only: it does not ship.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np
from evaluate import Embedding, load, vetoed
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from proxy.core.judgement.base import read
from proxy.core.judgement.guards import ALL

SETS = ("hard", "langcache_chatgpt", "semanticmemo", "checklist", "gated_adversarial", "paws_qqp")
ROWS = 20_000
WRONG = {
    "hard": 2, "langcache_chatgpt": 4, "semanticmemo": 4, "checklist": 6,
    "gated_adversarial": 4, "paws_qqp": 8, "qqp": 8,
}  # fmt: skip


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def inversions(one: list[str], other: list[str]) -> float:
    """Share of the pairs of shared words that stand the other way round."""
    shared = [w for w in dict.fromkeys(one) if w in other]
    places = [other.index(w) for w in shared]
    pairs = [(i, j) for n, i in enumerate(places) for j in places[n + 1 :]]
    return sum(i > j for i, j in pairs) / len(pairs) if pairs else 0.0


def features(a: str, b: str, embed: Embedding) -> list[float]:
    one, other = words(a), words(b)
    mine, theirs = set(one), set(other)
    near = [[float(embed(w) @ embed(v)) for v in theirs] for w in mine] or [[0.0]]
    table = np.array(near) if theirs and mine else np.zeros((1, 1))
    best, back = table.max(1), table.max(0)
    ours, old = read(a), read(b)
    return [
        float(embed(a) @ embed(b)),
        best.mean(), best.min(), back.mean(), back.min(),
        len(mine & theirs) / max(len(mine | theirs), 1),
        len(mine - theirs), len(theirs - mine),
        min(len(one), len(other)) / max(len(one), len(other), 1),
        len(one) + len(other),
        inversions(one, other),
        *(float(guard.veto(ours, old) is not None) for guard in ALL),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.pairs.open(encoding="utf-8")]
    rows = [row for row in rows if not row["validation"]]
    rng = np.random.default_rng(3)
    rows = [rows[int(i)] for i in rng.permutation(len(rows))[:ROWS]]
    embed = Embedding()
    x = np.array([features(r["a"], r["b"], embed) for r in rows])
    y = np.array([r["label"] for r in rows])
    models = {
        "trees": HistGradientBoostingClassifier(random_state=0).fit(x, y),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y),
    }
    for name in (*SETS, "qqp"):
        measured = load(options.data, name)[:2000]
        found = np.array([features(r["a"], r["b"], embed) for r in measured])
        labels = np.array([r["label"] for r in measured])
        stopped = np.array([vetoed(r["a"], r["b"]) for r in measured])
        for kind, model in models.items():
            odds = model.predict_proba(found)[:, 1]
            odds[stopped] = -1
            bad = np.sort(odds[labels == 0])[::-1]
            least = max(bad[int(WRONG[name] / 100 * len(bad))], 0)
            good = (odds[labels == 1] > least).mean()
            print(f"{name:18s} {kind:9s} served {good:.1%} at {WRONG[name]} % wrong", flush=True)


if __name__ == "__main__":
    main()
