"""Which of several processes on one port this is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes that `server.workers` asks for.

    Attributes:
        number: From 1. A process that takes a dead one's place takes its number.
        of: How many there are.
        restarts: How many have had this number before.
        directory: Where the workers meet; nobody but this user can look into it.
    """

    number: int
    of: int
    restarts: int
    directory: Path

    @property
    def is_first(self) -> bool:
        """It does what one shall do for all, such as saving the index."""
        return self.number == 1

    @property
    def others(self) -> tuple[int, ...]:
        """The numbers of the rest."""
        return tuple(number for number in range(1, self.of + 1) if number != self.number)

    def socket(self, number: int) -> Path:
        """The Unix socket at which a worker answers the others."""
        return self.directory / f"{number}.socket"

    def counted(self, number: int) -> Path:
        """The file with all that processes of this number have counted."""
        return self.directory / f"{number}.json"
