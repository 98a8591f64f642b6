"""The official client, before the proxy and before its origin."""

from collections.abc import AsyncIterator

import openai
import pytest

from tests.support.origin import ScriptedOrigin
from tests.support.program import Served, async_sdk


@pytest.fixture
async def sdk(proxy: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    """Asks the proxy with the exact tiers only."""
    async with proxy.sdk() as client:
        yield client


@pytest.fixture
async def direct(origin: ScriptedOrigin) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same client without the proxy: what the answer should be."""
    async with async_sdk(origin.url) as client:
        yield client
