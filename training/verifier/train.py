"""Train the verifier on pairs that `data.py` wrote.

    python training/verifier/train.py --pairs pairs.jsonl --minilm FOLDER --out FOLDER

Every pair is seen once. What is kept is the running mean of the weights (Polyak & Juditsky 1992):
it varies less from seed to seed than the last step does. Word vectors stay as published: they hold
what our pairs do not show. A checkpoint is written every 500 steps, so a run may be cut short.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from network import DESIGNS, from_minilm
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

Row = tuple[list[int], list[int], float]
LONGEST = 128
SMOOTHING = 0.02
WARM_UP = 0.06
MEMORY = 0.999


def tokenizer(minilm: Path) -> Tokenizer:
    words = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    words.no_padding()
    words.no_truncation()
    return words


def encode(rows: list[dict[str, str]], words: Tokenizer) -> list[Row]:
    found = words.encode_batch([(row["a"], row["b"]) for row in rows])
    return [
        (e.ids, e.type_ids, float(row["label"]))
        for e, row in zip(found, rows, strict=True)
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


def predict(model: nn.Module, rows: list[Row], device: str) -> np.ndarray:
    model.eval()
    found = []
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
        for at in range(0, len(rows), 64):
            inputs = [x.to(device) for x in batch(rows[at : at + 64])[:3]]
            found.append(model(*inputs).float().sigmoid().cpu())
    model.train()
    return torch.cat(found).numpy()


def report(model: nn.Module, rows: list[Row], device: str) -> str:
    found = predict(model, rows, device)
    labels = np.array([label for _, _, label in rows])
    good, bad = found[labels == 1], found[labels == 0]
    at = {wrong: float(np.quantile(bad, 1 - wrong)) for wrong in (0.02, 0.05)}
    served = " ".join(f"served@{wrong:.0%}wrong={np.mean(good > t):.3f}" for wrong, t in at.items())
    auc = np.mean(good[:, None] > bad[None, :])
    return f"auc={auc:.4f} {served}"


class RunningMean:
    """The weights' mean over the last thousand steps or so."""

    def __init__(self, model: nn.Module) -> None:
        self.kept = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self._steps = 0

    def update(self, model: nn.Module) -> None:
        self._steps += 1
        memory = min(MEMORY, self._steps / (self._steps + 10))
        for name, value in model.state_dict().items():
            kept = self.kept[name]
            if kept.is_floating_point():
                kept.lerp_(value.detach(), 1 - memory)


def optimiser_for(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """A fresh head learns ten times as fast as a backbone that knows its language."""
    parts = list(model.named_parameters())
    body = [p for n, p in parts if p.requires_grad and n.startswith("backbone.")]
    head = [p for n, p in parts if p.requires_grad and not n.startswith("backbone.")]
    groups = [{"params": body, "rate": rate}, {"params": head, "rate": 10 * rate}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, weight_decay=0.01)


def train(
    model: nn.Module,
    rows: list[Row],
    held: dict[str, list[Row]],
    options: argparse.Namespace,
) -> nn.Module:
    """One pass; returns the model with its mean weights."""
    rng = np.random.default_rng(options.seed)
    device = options.device
    optimiser = optimiser_for(model, options.rate)
    plan = batches(rows, options.batch, rng)
    mean, start, loss_mean = RunningMean(model), time.monotonic(), 0.7
    for step, some in enumerate(plan, 1):
        done = step / len(plan)
        share = min(done / WARM_UP, 1) * 0.5 * (1 + math.cos(math.pi * done))
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * max(share, 0.01)
        ids, types, mask, labels = (x.to(device, non_blocking=True) for x in batch(some))
        with torch.autocast(device, torch.bfloat16):
            logits = model(ids, types, mask)
        target = labels * (1 - 2 * SMOOTHING) + SMOOTHING
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), target)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        mean.update(model)
        if step % 500 == 0:
            loss_mean = 0.5 * loss_mean + 0.5 * loss.item()
            print(f"{step}/{len(plan)} {time.monotonic() - start:.0f}s {loss_mean:.4f}", flush=True)
            if step % 2000 == 0:
                save_file(mean.kept, options.out / "verifier.safetensors")
    model.load_state_dict(mean.kept)
    print({kind: report(model, some, device) for kind, some in held.items()}, flush=True)
    return model


def read_pairs(paths: list[Path], words: Tokenizer) -> tuple[list[Row], dict[str, list[Row]]]:
    """What is trained on, and what is held out, by kind."""
    found = [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]
    held = {
        kind: encode(
            [r for r in found if r["validation"] and (r["kind"] == "hard") == (kind == "hard")],
            words,
        )
        for kind in ("hard", "own")
    }
    return encode([row for row in found if not row["validation"]], words), held


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True, nargs="+")
    parser.add_argument("--minilm", type=Path, required=True, help="the published weights")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--design", choices=sorted(DESIGNS), default="cross")
    parser.add_argument("--rate", type=float, default=8e-5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    rows, held = read_pairs(options.pairs, tokenizer(options.minilm))
    model = from_minilm(options.minilm, options.design).to(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    model = train(model, rows, held, options)
    save_file(
        {name: value.cpu() for name, value in model.state_dict().items()},
        options.out / "verifier.safetensors",
    )


if __name__ == "__main__":
    main()
