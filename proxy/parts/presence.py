"""Builds what says that this process is there, and knows who else is."""

import os
import secrets
import socket
import time
from collections.abc import Sequence
from importlib.metadata import version

from proxy.announcing import Announcer, Condition
from proxy.config import Config, digest
from proxy.core.presence import Replica
from proxy.ports import Observer, Presence, SessionTier, VectorTier
from proxy.resilience import Stage
from proxy.upkeep import Upkeep
from proxy.worker import Worker


def build(
    config: Config,
    presence: Presence,
    stages: Sequence[Stage],
    tiers: tuple[SessionTier, VectorTier | None],
    upkeep: Upkeep,
    observer: Observer,
    worker: Worker | None,
) -> Announcer:
    """It announces nothing until it is told to appear.

    Args:
        config: What holds.
        presence: Where it is said.
        stages: Of every part; the shared tier's among them.
        tiers: This process's own: the session tier, and the index, where there is one.
        upkeep: Knows where this process stands in the change log.
        observer: Hears what goes wrong.
        worker: Which of several processes on one port this is.
    """

    def condition() -> Condition:
        session, index = tiers
        held = {"session": session.stats()} | ({} if index is None else {"vector": index.stats()})
        return Condition(
            positions=upkeep.positions,
            entries={tier: stats.get("entries", 0) for tier, stats in held.items()},
            parts={stage.name: stage.status for stage in stages},
        )

    [shared] = [stage for stage in stages if stage.name == "shared"]
    return Announcer(
        presence,
        shared,
        _about(config, worker),
        condition,
        every_s=config.cache.shared.announce_every_s,
        clock=time.time,
        observer=observer,
    )


def _about(config: Config, worker: Worker | None) -> Replica:
    """What does not change of this process."""
    return Replica(
        id=secrets.token_hex(6),
        host=socket.gethostname(),
        pid=os.getpid(),
        worker=None if worker is None else worker.number,
        version=version("reprise"),
        url=None,
        started_at=time.time(),
        seen_at=0.0,
        position_lag=None,
        entries={},
        parts={},
        config_digest=digest(config),
    )
