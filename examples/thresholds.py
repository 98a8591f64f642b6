# %% [markdown]
# # Which threshold suits your questions?
#
# `reprise calibrate` answers that for files of pairs, with bounds (docs/calibration.md). Here is
# the same by hand, to look at: run it whole (`python examples/thresholds.py [PAIRS]`), or cell by
# cell where your editor knows `# %%`. No key and no network are needed.

# %%
import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy import Config, open_cache

PAIRS = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("pairs.jsonl")
rows = [json.loads(line) for line in PAIRS.read_text().splitlines()]
print(f"{len(rows)} pairs, of {sum(row['label'] for row in rows)} one answer serves both")


# %% [markdown]
# ## What the cache thinks of each
#
# `compare` asks every stage, also those that a lookup would not come to.


# %%
@dataclass(frozen=True)
class Scored:
    """A pair, and the stages' words on it."""

    row: dict[str, Any]
    similarity: float
    probability: float
    veto: str


def chat(question: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": question}]}


async def score() -> list[Scored]:
    with tempfile.TemporaryDirectory() as folder:
        cache_keys = {
            "shared": {"url": f"sqlite:///{folder}/entries.db"},
            "vector": {"snapshot": f"{folder}/index.snapshot"},
        }
        config = Config.model_validate({"cache": cache_keys, "telemetry": {"count_tokens": False}})
        scored = []
        async with open_cache(config) as cache:
            for row in rows:
                pair = (await cache.compare(chat(row["b"]), chat(row["a"]))).pair
                if pair is None:  # one is not a question that the cache embeds
                    continue
                veto = pair.vetoes[0][1] if pair.vetoes else ""
                scored.append(Scored(row, pair.similarity or 0, pair.probability or 0, veto))
        return scored


scored = asyncio.run(score())
for one in sorted(scored, key=lambda one: -one.similarity):
    said = one.veto or "-"
    print(
        f"{one.row['label']} {one.similarity:.3f} {one.probability:.3f} {said:32.32} {one.row['b']}"
    )

# %% [markdown]
# ## Similarity alone, then with guards, then with the verifier
#
# Served: of the pairs that one answer serves. Wrong: of the others.


# %%
def line(name: str, served: list[Scored]) -> None:
    good = [one for one in scored if one.row["label"]]
    bad = [one for one in scored if not one.row["label"]]
    right = sum(one in served for one in good) / len(good)
    wrong = sum(one in served for one in bad) / len(bad)
    print(f"{name:32} served {right:4.0%}   wrong {wrong:4.0%}")


for least in (0.7, 0.8, 0.9, 0.95):
    line(f"similarity >= {least}", [one for one in scored if one.similarity >= least])
for least in (0.7, 0.8, 0.9, 0.95):
    passed = [one for one in scored if one.similarity >= least and not one.veto]
    line(f"the same, and no veto ({least})", passed)
for least in (0.3, 0.5, 0.65, 0.8, 0.9, 0.98):
    passed = [one for one in scored if not one.veto and one.probability >= least]
    line(f"no veto, probability >= {least}", passed)

# %% [markdown]
# The probability whose `wrong` you can live with is `cache.judgement.min_probability`. So few pairs
# are a picture and no proof: `reprise calibrate` says how many it takes.
