"""Whatever becomes of files, clock and memory, every request is answered, and rightly."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults import machine, snapshot, sqlite
from tests.faults.fault import Fault
from tests.faults.place import Place, placed
from tests.faults.trial import tried

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One program for all of them, which must be well again after each."""
    async with placed(tmp_path_factory.mktemp("sqlite")) as running:
        yield running


@pytest.mark.parametrize(
    "fault", sqlite.FAULTS + machine.FAULTS + snapshot.FAULTS, ids=lambda fault: fault.name
)
async def test_fault(place: Place, fault: Fault) -> None:
    """Nobody gets an error or a wrong answer, and all is back within two seconds."""
    await tried(place, fault)
