"""The network: both questions in one sequence through MiniLM's layers, then a small head.

The head sees the mean of each question's tokens, after each has read the other: their difference,
their product and cosine, and the first token. So the backbone's sense of meaning is there from the
first step, and what is learned is what the difference of two words does to an answer.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel

DIMENSION = 384
HIDDEN = 192


class Verifier(nn.Module):
    """Token ids, token types (1 on the second question) and mask -> one logit a pair."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        config = BertConfig(
            hidden_size=DIMENSION,
            num_hidden_layers=layers,
            num_attention_heads=12,
            intermediate_size=1536,
            attn_implementation="sdpa",
        )
        self.backbone = BertModel(config, add_pooling_layer=False)
        self.inner = nn.Linear(3 * DIMENSION, HIDDEN)
        self.outer = nn.Linear(HIDDEN, 1)
        self.cosine = nn.Linear(1, 1)
        nn.init.constant_(self.cosine.weight, 4.0)
        nn.init.constant_(self.cosine.bias, -3.0)

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        x = self.backbone(
            input_ids=ids, token_type_ids=types, attention_mask=mask
        ).last_hidden_state.float()
        first = self._mean(x, mask * (1 - types))
        second = self._mean(x, mask * types)
        seen = torch.cat([x[:, 0], (first - second).abs(), first * second * 20], dim=-1)
        cosine = nn.functional.cosine_similarity(first, second, dim=-1)[:, None]
        found = self.outer(nn.functional.gelu(self.inner(seen))) + self.cosine(cosine)
        return found[:, 0]

    def _mean(self, x: Tensor, kept: Tensor) -> Tensor:
        weights = kept.float()[..., None]
        return (x * weights).sum(1) / weights.sum(1)


def from_minilm(folder: Path, layers: int) -> Verifier:
    """The backbone's first layers, and an untrained head."""
    model = Verifier(layers)
    weights = load_file(folder / "model.safetensors")
    missing, _ = model.backbone.load_state_dict(weights, strict=False)
    if missing:
        raise ValueError(f"not in the published weights: {missing}")
    return model
