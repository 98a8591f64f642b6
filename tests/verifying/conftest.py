from collections.abc import AsyncIterator

import pytest

from tests.support.judging import JudgeServer, judge_server
from tests.support.ports import Heard


@pytest.fixture
async def server() -> AsyncIterator[JudgeServer]:
    async with judge_server() as running:
        yield running


@pytest.fixture
def heard() -> Heard:
    return Heard()
