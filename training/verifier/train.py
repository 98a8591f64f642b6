"""Train the verifier on pairs that `data.py` wrote; CPU, one thread, bfloat16 where it is safe.

    python training/verifier/train.py --pairs pairs.jsonl --out FOLDER

Every pair is seen `--epochs` times. Word vectors stay as published: they hold what our few pairs
do not show. The last checkpoint is written every 500 steps too, so a run may be cut short.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from network import Verifier, from_minilm
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

Row = tuple[list[int], list[int], float]
LONGEST = 96


def encode(rows: list[dict[str, str]], words: Tokenizer) -> list[Row]:
    found = words.encode_batch([(row["a"], row["b"]) for row in rows])
    return [
        (e.ids, e.type_ids, float(row["label"])) for e, row in zip(found, rows, strict=True)
        if len(e.ids) <= LONGEST
    ]


def batch(rows: list[Row]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    width = max(len(ids) for ids, _, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for at, (tokens, kinds, _) in enumerate(rows):
        ids[at, : len(tokens)] = torch.tensor(tokens)
        types[at, : len(kinds)] = torch.tensor(kinds)
        mask[at, : len(tokens)] = 1
    return ids, types, mask, torch.tensor([label for _, _, label in rows])


def batches(rows: list[Row], size: int, rng: np.random.Generator) -> list[list[Row]]:
    """Rows of near lengths together, in random order."""
    order = sorted(rng.permutation(len(rows)), key=lambda i: len(rows[i][0]) + rng.random() * 6)
    cut = [[rows[i] for i in order[at : at + size]] for at in range(0, len(order), size)]
    return [cut[i] for i in rng.permutation(len(cut))]


def predict(model: Verifier, rows: list[Row]) -> np.ndarray:
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = [model(*batch(rows[at : at + 64])[:3]).sigmoid() for at in range(0, len(rows), 64)]
    model.train()
    return torch.cat(found).float().numpy()


def report(model: Verifier, rows: list[Row]) -> str:
    found = predict(model, rows)
    labels = np.array([label for _, _, label in rows])
    good, bad = found[labels == 1], found[labels == 0]
    at = {wrong: float(np.quantile(bad, 1 - wrong)) for wrong in (0.02, 0.05)}
    served = " ".join(f"served@{wrong:.0%}wrong={np.mean(good > t):.3f}" for wrong, t in at.items())
    auc = np.mean(good[:, None] > bad[None, :])
    return f"auc={auc:.4f} {served}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--minilm", type=Path, required=True, help="the published weights")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rate", type=float, default=8e-5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(options.seed)
    words = Tokenizer.from_file(str(options.minilm / "tokenizer.json"))
    words.no_padding()
    words.no_truncation()
    found = [json.loads(line) for line in options.pairs.open(encoding="utf-8")]
    rows = encode([row for row in found if not row["validation"]], words)
    held = {
        kind: encode([r for r in found if r["validation"] and (r["kind"] == "hard") == (kind == "hard")], words)
        for kind in ("hard", "own")
    }
    model = from_minilm(options.minilm, options.layers)
    model.backbone.embeddings.word_embeddings.requires_grad_(False)
    head = [*model.inner.parameters(), *model.outer.parameters(), *model.cosine.parameters()]
    body = [p for p in model.backbone.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": body, "rate": options.rate}, {"params": head, "rate": 10 * options.rate}],
        lr=options.rate, weight_decay=0.01,
    )
    plan = [one for _ in range(options.epochs) for one in batches(rows, options.batch, rng)]
    start, mean = time.monotonic(), 0.7
    options.out.mkdir(parents=True, exist_ok=True)
    for step, some in enumerate(plan, 1):
        share = min(step / (0.06 * len(plan)), 1) * 0.5 * (1 + math.cos(math.pi * step / len(plan)))
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * max(share, 0.01)
        ids, types, mask, labels = batch(some)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(ids, types, mask)
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), labels * 0.96 + 0.02)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        mean = 0.98 * mean + 0.02 * loss.item()
        if step % 250 == 0 or step == len(plan):
            print(f"{step}/{len(plan)} {time.monotonic() - start:.0f}s loss={mean:.4f}", flush=True)
            save_file(model.state_dict(), options.out / "verifier.safetensors")
        if step % 500 == 0 or step == len(plan):
            print("  ", {k: report(model, v) for k, v in held.items()}, flush=True)


if __name__ == "__main__":
    main()
