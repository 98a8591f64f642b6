"""The judge on labelled questions: what the defaults must serve, and how little of it wrongly.

The sets lie beside a checkout, not in it: `DATA` names their folder (`make test DATA=...`).
"""

import os
from pathlib import Path

import pytest

from proxy.config import Config
from proxy.measuring.evaluation import Kind, evaluate, read_set, score

DATA = Path(os.environ.get("DATA", Path(__file__).parent.parent.parent / "shared" / "data"))

BARS = {
    "hard": (0.85, 0.02),
    "langcache_chatgpt": (0.80, 0.04),
    "paws_qqp": (0.50, 0.08),
    "semanticmemo": (0.75, 0.04),
    "gated_adversarial": (0.60, 0.04),
    "checklist": (0.75, 0.06),
}
"""Least share served of what may be, and most of what may not."""


@pytest.mark.parametrize("name", BARS)
def test_rewordings_are_served_and_traps_are_not(name: str) -> None:
    """As many rewordings as promised are answered, and as few traps, by the defaults."""
    path = DATA / f"pairs_{name}_dev.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not there; DATA names the folder that has it")
    sample = read_set(path, Kind.PAIRS)
    found = score(sample, evaluate(sample, Config()))
    served, wrong = BARS[name]

    assert isinstance(found["served_share"], float)
    assert isinstance(found["wrong_share"], float)
    assert found["served_share"] >= served
    assert found["wrong_share"] <= wrong
