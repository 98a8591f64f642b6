"""When a worker dies, those who ask another notice nothing."""

from pathlib import Path

import pytest

from tests.faults import machine
from tests.faults.fault import Fault
from tests.faults.place import placed
from tests.faults.trial import tried


@pytest.mark.parametrize("fault", machine.WORKERS, ids=lambda fault: fault.name)
async def test_fault(tmp_path: Path, fault: Fault) -> None:
    """Nobody gets a wrong answer, and the service is whole again within two seconds."""
    async with placed(tmp_path, server={"workers": 2}) as place:
        await tried(place, fault)
