"""What the origin does wrong its callers see as it is; nothing of it is kept, and hits go on."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults import origin
from tests.faults.fault import Fault, OriginFault
from tests.faults.place import Place, placed
from tests.faults.trial import tried, tried_origin

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One program for all of them."""
    async with placed(tmp_path_factory.mktemp("origin")) as running:
        yield running


@pytest.mark.parametrize("fault", origin.FAULTS, ids=lambda fault: fault.name)
async def test_fault(place: Place, fault: OriginFault) -> None:
    """A miss gets the origin's own error or a gateway's, and is answered well soon after."""
    await tried_origin(place, fault)


@pytest.mark.parametrize("fault", origin.SLOW, ids=lambda fault: fault.name)
async def test_slow(place: Place, fault: Fault) -> None:
    """Whole answers that come slowly are passed on as they come, and kept."""
    await tried(place, fault)
