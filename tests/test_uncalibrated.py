"""What a start says and does about an embedder that nobody calibrated."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.config import Config
from proxy.core.judgement.thresholds import UNKNOWN, calibration
from proxy.library import open_cache

CLOSED = "http://127.0.0.1:9/v1"
"""Nobody embeds there: what holds is decided before the first text."""


async def start(folder: Path, model: str, vector: dict[str, Any], verifier: str) -> tuple[Any, Any]:
    """Open a cache; returns its least similarity, and the line about a guess, if there is one."""
    remote = {"base_url": CLOSED, "model": model, "dimensions": 1536, "max_retries": 0}
    config = Config.model_validate(
        {
            "cache": {
                "shared": {"url": f"sqlite:///{folder.as_posix()}/entries.db"},
                "vector": {"snapshot": folder / "index.snapshot", **vector},
                "judgement": {"verifier": verifier},
            },
            "embedder": {"kind": "openai", "openai": remote},
            "telemetry": {"count_tokens": False, "log_format": "json"},
        }
    )
    log = io.StringIO()
    async with open_cache(config, log) as cache:
        least = cache.runtime.limits.threshold
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    said = [line for line in lines if line["event"] == "threshold_uncalibrated"]
    return least, said[0] if said else None


@pytest.mark.parametrize("verifier", ["local", "none"])
async def test_an_unknown_embedder(tmp_path: Path, verifier: str) -> None:
    """It starts, with the strictest default, and a warning that names embedder and number."""
    least, said = await start(tmp_path, "nobodys-embedder", {}, verifier)

    assert least == UNKNOWN.threshold
    assert said["level"] == "warning"
    assert said["embedder"].startswith("openai:nobodys-embedder:1536")
    assert (said["threshold"], said["source"]) == (UNKNOWN.threshold, UNKNOWN.source)


async def test_a_known_embedder(tmp_path: Path) -> None:
    """One that has a calibration starts with it, without a word."""
    model = "text-embedding-3-small"
    least, said = await start(tmp_path, model, {}, "none")

    assert (least, said) == (calibration(f"openai:{model}:1536").threshold, None)


@pytest.mark.parametrize("verifier", ["local", "none"])
async def test_a_configured_number(tmp_path: Path, verifier: str) -> None:
    """Whoever calibrated says so in the configuration, and there is nothing to warn of."""
    numbers = {"threshold": 0.8, "floor": 0.6}
    least, said = await start(tmp_path, "nobodys-embedder", numbers, verifier)

    assert (least, said) == (0.6 if verifier == "local" else 0.8, None)
