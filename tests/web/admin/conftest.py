"""Proxies whose admin API is switched on."""

from collections.abc import AsyncIterator

import pytest

from tests.support.program import Served, Serving
from tests.web.admin.calling import ADMIN


@pytest.fixture
async def watched(serving: Serving) -> AsyncIterator[Served]:
    """One with the exact tiers only."""
    async with serving(admin=ADMIN) as running:
        yield running
