"""What every test may ask for."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from tests.support.origin import ScriptedOrigin, scripted_origin
from tests.support.program import Served, Serving, served, settings

hypothesis_settings.register_profile("reprise", deadline=None)  # no timing may fail a test
hypothesis_settings.load_profile("reprise")


@pytest.fixture
def origin() -> Iterator[ScriptedOrigin]:
    """A scripted origin of the test's own."""
    with scripted_origin() as running:
        yield running


@pytest.fixture
def serving(origin: ScriptedOrigin, tmp_path: Path) -> Serving:
    """Starts proxies before the origin; all of one test share their files."""

    def start(**over: Any) -> AbstractAsyncContextManager[Served]:
        return served(settings(origin.url, tmp_path, **over))

    return start


@pytest.fixture
async def proxy(serving: Serving) -> AsyncIterator[Served]:
    """A proxy with the exact tiers only."""
    async with serving() as running:
        yield running


@pytest.fixture
async def semantic(serving: Serving) -> AsyncIterator[Served]:
    """A proxy with all tiers."""
    async with serving(embedder={"kind": "local"}) as running:
        yield running
