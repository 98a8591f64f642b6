"""The networks that were tried. `cross` is the one that ships.

- `cross`: both questions in one sequence through MiniLM's layers, then a small head over the mean
  of each question's tokens (after each has read the other), their product and cosine, and the
  first token. So the backbone's sense of meaning is there from the first step, and what is learned
  is what the difference of two words does to an answer.
- `late`: late interaction. MiniLM stays as it is and reads each question alone, so the cached
  question's token vectors can be stored (int8) and no second pass is made. Each token looks softly
  for its counterpart on the other side; a small head compares the two (Parikh et al. 2016).
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel

DIMENSION = 384
HIDDEN = 192
LAYERS = 6


def minilm(layers: int = LAYERS) -> BertModel:
    config = BertConfig(
        hidden_size=DIMENSION,
        num_hidden_layers=layers,
        num_attention_heads=12,
        intermediate_size=1536,
        attn_implementation="sdpa",
    )
    return BertModel(config, add_pooling_layer=False)


def mean_of(x: Tensor, kept: Tensor) -> Tensor:
    weights = kept.float()[..., None]
    return (x * weights).sum(1) / weights.sum(1)


class Cross(nn.Module):
    """Token ids, token types (1 on the second question) and mask -> one logit a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = minilm()
        self.inner = nn.Linear(3 * DIMENSION, HIDDEN)
        self.outer = nn.Linear(HIDDEN, 1)
        self.cosine = nn.Linear(1, 1)
        nn.init.constant_(self.cosine.weight, 4.0)
        nn.init.constant_(self.cosine.bias, -3.0)

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        x = self.backbone(
            input_ids=ids, token_type_ids=types, attention_mask=mask
        ).last_hidden_state.float()
        first = mean_of(x, mask * (1 - types))
        second = mean_of(x, mask * types)
        seen = torch.cat([x[:, 0], (first - second).abs(), first * second * 20], dim=-1)
        cosine = nn.functional.cosine_similarity(first, second, dim=-1)[:, None]
        found = self.outer(nn.functional.gelu(self.inner(seen))) + self.cosine(cosine)
        return found[:, 0]


class Late(nn.Module):
    """The same inputs and output; each question is read alone by a backbone that does not learn."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = minilm().requires_grad_(requires_grad=False)
        self.small = nn.Linear(DIMENSION, HIDDEN)
        self.compare = nn.Sequential(
            nn.Linear(4 * HIDDEN, 2 * HIDDEN), nn.GELU(), nn.Linear(2 * HIDDEN, HIDDEN), nn.GELU()
        )
        self.outer = nn.Sequential(
            nn.Linear(4 * HIDDEN + 1, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, 1)
        )

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        one, other = mask * (1 - types), mask * types
        first, second = self._tokens(ids, one), self._tokens(ids, other)
        cosine = nn.functional.cosine_similarity(
            mean_of(first, one), mean_of(second, other), dim=-1
        )
        a, b = self.small(first), self.small(second)
        odds = torch.einsum(
            "bid,bjd->bij", nn.functional.normalize(a, dim=-1), nn.functional.normalize(b, dim=-1)
        )
        odds = odds * 12
        ours = self._compared(a, b, odds, one, other)
        theirs = self._compared(b, a, odds.transpose(1, 2), other, one)
        # Symmetric: which question is the cached one says nothing.
        seen = torch.cat([ours + theirs, (ours - theirs).abs(), cosine[:, None]], dim=-1)
        return self.outer(seen)[:, 0]

    def _tokens(self, ids: Tensor, kept: Tensor) -> Tensor:
        with torch.no_grad():
            return self.backbone(
                input_ids=ids, attention_mask=kept, position_ids=_positions(kept)
            ).last_hidden_state.float()

    def _compared(self, a: Tensor, b: Tensor, odds: Tensor, ours: Tensor, theirs: Tensor) -> Tensor:
        weights = odds.masked_fill(theirs[:, None, :] == 0, -1e4).softmax(-1)
        found = weights @ b
        seen = torch.cat([a, found, (a - found).abs(), a * found], dim=-1)
        compared = self.compare(seen)
        masked = compared.masked_fill(ours[..., None] == 0, -1e4)
        return torch.cat([mean_of(compared, ours), masked.max(1).values], dim=-1)


def _positions(kept: Tensor) -> Tensor:
    """Each question counts its own tokens from 0."""
    return (kept.cumsum(-1) - 1).clamp(min=0)


DESIGNS = {"cross": Cross, "late": Late}


def from_minilm(folder: Path, design: str) -> nn.Module:
    """The published backbone, and an untrained head."""
    model = DESIGNS[design]()
    weights = load_file(folder / "model.safetensors")
    missing, _ = model.backbone.load_state_dict(weights, strict=False)
    if missing:
        raise ValueError(f"not in the published weights: {missing}")
    model.backbone.embeddings.word_embeddings.requires_grad_(requires_grad=False)
    return model
