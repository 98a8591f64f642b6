"""`reprise reload`, as a person runs it against a running proxy."""

import asyncio
import json
from pathlib import Path

from tests.cli.test_check import run
from tests.support.load import TOKEN, Caller, calling
from tests.support.origin import ScriptedOrigin


async def reloaded(caller: Caller, *more: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)."""
    ended = await asyncio.to_thread(
        run, "reload", *more, ADMIN_TOKEN=TOKEN, REPRISE_URL=caller.running.root
    )
    return ended.returncode, ended.stdout, ended.stderr


async def test_reload(origin: ScriptedOrigin, tmp_path: Path) -> None:
    """Says what has changed, what needs a restart, and what is wrong with the file."""
    async with calling(origin, tmp_path, server={"watch_config": False}) as caller:
        same = await reloaded(caller)
        caller.write(cache={"ttl": {"default_s": 60}}, server={"host": "0.0.0.0"})
        changed = await reloaded(caller)
        caller.write(cache={"ttl": {"default_s": 70}})
        told = json.loads((await reloaded(caller, "--json"))[1])
        caller.file.write_text("cach: {}")
        broken = await reloaded(caller)
    away = await reloaded(caller)

    assert same == (0, "Nothing has changed.\n", "")
    assert changed == (0, "changed: cache.ttl.default_s\nneeds a restart: server.host\n", "")
    assert (told["object"], told["ok"], told["by"]) == ("cache.reload", True, "api")
    assert (told["changed"], told["unreached_workers"]) == (["cache.ttl.default_s"], 0)
    assert broken[:2] == (2, "")
    assert "cach" in broken[2]
    assert away[:2] == (1, "")
    assert "cannot be reached" in away[2]
