"""The models' runtime keeps to itself."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_models_runtime_reports_nothing_to_anybody(tmp_path: Path) -> None:
    """ONNX Runtime gives this machine no name in the user's cache, and no report to its maker."""
    kept_apart = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    others = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    load = "from pathlib import Path; from proxy.embedding.onnx import OnnxEmbedder"

    subprocess.run([sys.executable, "-c", load], env=kept_apart | others, check=True)

    assert list(tmp_path.iterdir()) == []
