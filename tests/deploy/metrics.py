"""Writes what `/metrics` serves after a miss and a hit: `python -m tests.deploy.metrics`."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.origin import scripted_origin
from tests.support.program import chat, served, settings


async def metrics() -> str:
    """The page, of a proxy with every part that needs no server."""
    with scripted_origin() as origin, TemporaryDirectory() as directory:
        config = settings(origin.url, Path(directory), embedder={"kind": "local"})
        async with served(config) as proxy:
            for _ in range(2):
                await proxy.post(chat())
            return (await proxy.get("/metrics")).body.decode()


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(metrics()))
