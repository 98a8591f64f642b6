"""What a process that serves tells of itself to those it shares entries with."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Final
from urllib.parse import urlsplit

import orjson

EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound


@dataclass(frozen=True, slots=True)
class Replica:
    """One process.

    Attributes:
        id: Names this process from its start to its end; no other ever has it.
        host: The machine's name.
        pid: On that machine.
        worker: Its number among several on one port; None when it is alone.
        version: Of the program.
        url: Where callers reach it; None of one that serves its own program alone.
        started_at: Seconds since the epoch.
        seen_at: When it last said so, by the clock of who reads it.
        position_lag: Records of the change log that it had not read then; None where that is not
            known.
        entries: How many its own tiers hold, by tier.
        parts: Each part of its cache, and what is wrong with it; `ok` when nothing is.
        config_digest: The same where the configuration is.
    """

    id: str
    host: str
    pid: int
    worker: int | None
    version: str
    url: str | None
    started_at: float
    seen_at: float
    position_lag: int | None
    entries: Mapping[str, int]
    parts: Mapping[str, str]
    config_digest: str

    def seen(self, at: float) -> "Replica":
        """The same, as it was told at that time."""
        return replace(self, seen_at=at)


def reachable(url: str, host: str) -> str:
    """A URL as others see it: one that names every address of a machine names the machine."""
    parts = urlsplit(url)
    if parts.hostname not in EVERYWHERE:
        return url
    return parts._replace(netloc=f"{host}:{parts.port}").geturl()


def dumps(replica: Replica) -> bytes:
    """As a shared tier keeps it."""
    return orjson.dumps(asdict(replica))


def loads(record: bytes | str) -> Replica | None:
    """Read it again; None of one that another version of the program wrote otherwise."""
    try:
        said = orjson.loads(record)
        return Replica(**{field.name: said[field.name] for field in fields(Replica)})
    except (ValueError, TypeError, KeyError):
        return None
