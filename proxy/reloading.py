"""Follow another configuration without a restart, and remember what came of it.

A configuration that cannot be used changes nothing. One that also changes what needs a restart is
followed in the rest, and what it would take is named.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from proxy.config import Config
from proxy.config.differing import Difference, difference
from proxy.errors import ConfigError
from proxy.ports import Clock
from proxy.runtime import Live

LOOK_S: Final = 0.25
"""Between two looks at the file: what is saved holds within a second."""


class By(StrEnum):
    """Who asked for a reload."""

    API = "api"
    SIGNAL = "signal"
    FILE = "file"
    """It has changed."""


@dataclass(frozen=True, slots=True)
class Reload:
    """What came of a reload.

    Attributes:
        at: When, seconds since the epoch.
        by: Who asked for it.
        changed: Keys that now have another value.
        needs_restart: Keys whose other value only a restart would follow.
        problems: Why it was not followed, one line each; none where it was.
    """

    at: float
    by: By
    changed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it holds now."""
        return not self.problems


class Reloader:
    """Reads the configuration anew, when it is asked to.

    Args:
        live: What follows it.
        read: Reads it: in a thread. Raises ConfigError.
        file: Where it is read from; None where there is no file.
        clock: The time now.
        told: Hears of each configuration that is followed.

    `last` is what came of the last reload; None before the first.
    """

    def __init__(
        self,
        live: Live,
        read: Callable[[], Config],
        *,
        clock: Clock,
        file: Path | None = None,
        told: Callable[[Config], None] | None = None,
    ) -> None:
        self.live = live
        self.file = file
        self.last: Reload | None = None
        self._read = read
        self._clock = clock
        self._told = told
        self._reloading = asyncio.Lock()

    async def reload(self, by: By) -> Reload:
        """Read the configuration, and follow it if it can be used. Never raises ConfigError."""
        async with self._reloading:
            try:
                found = await self._follow()
            except ConfigError as error:
                done = Reload(self._clock(), by, problems=tuple(error.problems))
                self._event("config_reload_failed", by=by, reason="; ".join(done.problems))
            else:
                done = Reload(self._clock(), by, found.changed, found.needs_restart)
                self._event(
                    "config_reloaded",
                    by=by,
                    changed=", ".join(done.changed),
                    needs_restart=", ".join(done.needs_restart),
                )
            self.last = done
            return done

    async def _follow(self) -> Difference:
        """Raises ConfigError where it cannot be used."""
        held = self.live.current.config
        found = await asyncio.to_thread(lambda: difference(held, self._read()))
        await self.live.follow(found.followed)
        if self._told is not None:
            self._told(found.followed)
        return found

    def _event(self, name: str, **fields: str) -> None:
        self.live.current.observer.event(name, **fields)

    async def reload_at(self, asked: asyncio.Event, by: By) -> None:
        """Reload whenever the event is set, for ever."""
        while True:
            await asked.wait()
            asked.clear()
            await self.reload(by)

    async def watch(self) -> None:
        """Reload whenever the file has another content, for as long as that is wished for.

        What the name stands for is read each time, so that a file that is moved into its place, or
        a link that is turned to another, is a change as well. One that is being written is left
        alone until it has the same content at two looks.
        """
        if (file := self.file) is None:
            return
        seen: bytes | None = None
        before = await asyncio.to_thread(_digest, file)
        while True:
            await asyncio.sleep(LOOK_S)
            found = await asyncio.to_thread(_digest, file)
            is_steady, before = found == before, found
            if found is None or found == seen or not is_steady:
                continue
            seen = found
            if self.live.current.config.server.watch_config and await self._has_news():
                await self.reload(By.FILE)

    async def _has_news(self) -> bool:
        """Whether a reload would come to anything else than the last one, or the start."""
        held, last = self.live.current.config, self.last
        problems, left = ((), ()) if last is None else (last.problems, last.needs_restart)
        try:
            found = await asyncio.to_thread(lambda: difference(held, self._read()))
        except ConfigError as error:
            return tuple(error.problems) != problems
        return bool(found.changed or problems or found.needs_restart != left)


def _digest(file: Path) -> bytes | None:
    try:
        return sha256(file.read_bytes()).digest()
    except OSError:
        return None
