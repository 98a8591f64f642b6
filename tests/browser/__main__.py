"""Have a browser use the dashboard: `python -m tests.browser ENVIRONMENT [IMAGES [SECONDS]]`.

A real proxy serves it before a scripted origin, while callers ask. `drivers/dashboard.py` then does
what an operator does; it runs in an environment of its own, with Playwright and the Node that comes
with it, which also runs the tests of the page's pure functions. Screenshots go to IMAGES, taken
after so many SECONDS of traffic.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.browser.traffic import ask_once, traffic
from tests.support.origin import Act, ScriptedOrigin, started
from tests.support.program import process, settings

HERE: Final = Path(__file__).parent
DRIVER: Final = HERE / "drivers" / "dashboard.py"
PURE: Final = HERE / "pure"
TOKEN: Final = "operators-token-of-32-characters"
SECONDS: Final = "10"
ANSWER: Final = "Open the settings, choose the account, and follow the steps that are shown there."


def pure(environment: Path) -> int:
    """Test the page's pure functions in Node; returns its exit status."""
    node = next(environment.glob("lib/python3*/site-packages/playwright/driver/node"))
    tests = sorted(map(str, PURE.glob("*.test.mjs")))
    return subprocess.run([node, "--test", *tests], check=False).returncode


def driven(environment: Path, images: Path, seconds: str) -> int:
    """Have the browser use a running proxy's dashboard; returns the driver's exit status."""
    browser = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if browser is None:
        raise SystemExit("There is no chromium on the PATH; CHROMIUM may name it.")
    images.mkdir(parents=True, exist_ok=True)
    origin = ScriptedOrigin()
    origin.always = Act(text=ANSWER, pause_s=0.02)
    with tempfile.TemporaryDirectory() as name, started(origin):
        folder = Path(name)
        with process(settings(origin.url, folder, **_chosen()), folder) as proxy:
            ask_once(proxy.url)
            python = environment / "bin" / "python"
            asked = [proxy.root, TOKEN, browser, str(images), seconds, str(proxy.child.pid)]
            with traffic(proxy.url):
                return subprocess.run([python, DRIVER, *asked], check=False).returncode


def _chosen() -> dict[str, Any]:
    """All tiers, an operator who may read questions, and hits that are audited."""
    return {
        "admin": {"token": TOKEN, "show_questions": True},
        "embedder": {"kind": "local"},
        "cache": {"judgement": {"audit_share": 0.2}},
    }


def main(arguments: list[str]) -> int:
    """Run everything; returns the exit status."""
    environment = Path(arguments[0]).absolute()
    images = Path(arguments[1]) if arguments[1:] else environment / "images"
    seconds = arguments[2] if arguments[2:] else SECONDS
    return pure(environment) or driven(environment, images.absolute(), seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
