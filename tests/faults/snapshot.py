"""What can become of the index's snapshot while the program is not running."""

from collections.abc import Callable
from pathlib import Path

from proxy.tiers.snapshot import MAGIC, VERSION
from tests.faults.fault import Fault
from tests.faults.place import Place


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _flip(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 0x10
    file.write_bytes(whole)


def _age(file: Path) -> None:
    file.write_bytes(MAGIC + bytes([VERSION + 1]) + file.read_bytes()[len(MAGIC) + 1 :])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _rename_embedder(place: Place) -> None:
    place.config["embedder"]["openai"]["model"] += "-other"


def _fault(name: str, spoil: Callable[[Path], None] | None) -> Fault:
    async def restart(place: Place) -> None:
        await place.stop()
        if spoil is None:
            _rename_embedder(place)
        else:
            spoil(place.snapshot)
        await place.start()

    return Fault(
        name=f"the index's snapshot {name}",
        begin=restart,
        events=frozenset({"snapshot_refused"}),
        hits=frozenset({"session", "shared"}),
        recovers="it is not used: the index is built anew from the entries",
    )


FAULTS = (
    _fault("is cut short", _truncate),
    _fault("has a flipped bit", _flip),
    _fault("is of another version", _age),
    _fault("is empty", _empty),
    Fault(
        name="the index's snapshot is of another embedder",
        begin=_fault("", None).begin,
        events=frozenset({"snapshot_refused"}),
        hits=frozenset({"session", "shared"}),
        recovers="it is not used: entries are given vectors of the new one, a few a second",
        loses=True,
    ),
)
