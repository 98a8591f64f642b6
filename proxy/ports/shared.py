"""Ports of what processes over one shared tier tell each other there."""

from collections.abc import Sequence
from typing import Protocol

from proxy.core.model import Entry, Lease
from proxy.core.presence import Replica
from proxy.core.reembedding import Standing


class Leases(Protocol):
    """Who of all replicas asks the origin for a key.

    A lease lapses by itself: who dies holds up nobody for longer. Its token fences: tokens of a key
    only grow, so a holder who was held up and comes back late has a lesser one than his successor
    (Kleppmann, *Designing Data-Intensive Applications*, ch. 8). A key is an entry's id, a colon,
    and whose call it is; it is kept where the entry is.
    """

    @property
    def are_needless(self) -> bool:
        """Whether no other process is known that could ask: a hint; False where nobody knows."""
        ...

    async def take(self, key: str, seconds: float) -> Lease | None:
        """The right to ask, for so long; None while somebody else has it."""
        ...

    async def claim(
        self, key: str, seconds: float, scope: str
    ) -> tuple[Lease | None, Entry | None]:
        """The same, and the entry of that key in this scope, which is looked for after it.

        So whoever gets the lease after a holder who has stored an answer sees that answer.
        """
        ...

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold it for so long from now; False when it has passed to somebody else, or lapsed."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give it back, and wake who waits; one that has lapsed is a no-op."""
        ...

    async def wait(self, key: str, seconds: float) -> bool:
        """Wait for the key's release by its holder. True once he has given it back.

        False when it lapses, so that somebody else may take it; when nobody has it; or when it is
        still held after so long.
        """
        ...


class Embedders(Protocol):
    """Which embedders are in use over one shared tier, and new vectors for its entries."""

    async def announce(self, embedder: str, *, has_all: bool = False) -> Standing:
        """Say that a process uses this embedder, and that all entries have its vectors, or may not.

        Returns what that means for it. Who says nothing for minutes uses it no longer.
        """
        ...

    async def doubt(self) -> None:
        """Say that entries have come, as by an import, whose vectors may be another embedder's."""
        ...

    async def replace(self, entry: Entry) -> bool:
        """Give a stored answer the vector and description that it has here, and log it, at once.

        False, and nothing changed, where that very answer is no longer there: removed, purged, or
        replaced by one of another time.
        """
        ...


class LogWatch(Protocol):
    """Says that other processes have added to the change log.

    A hint, the log is the truth: one that cannot be had is no error, it takes the whole time.
    """

    async def wait(self, seconds: float) -> bool:
        """Return as soon as something was added since the last call; False after so long."""
        ...


class Presence(Protocol):
    """Which processes there are over one shared tier. Who says nothing for a while is gone."""

    async def announce(self, replica: Replica, seconds: float) -> None:
        """Have it listed for so long from now, in place of what it said before."""
        ...

    async def withdraw(self, replica_id: str) -> None:
        """List it no longer; one that is not listed is a no-op."""
        ...

    async def present(self) -> Sequence[Replica]:
        """All that are listed, and when each said so, by this process's clock."""
        ...

    async def behind(self, position: str | None) -> int | None:
        """How many records of the change log follow a position; None where that is not known."""
        ...
