"""Follow another configuration without a restart, and remember what came of it.

A configuration that cannot be used changes nothing. One that also changes what needs a restart is
followed in the rest, and what it would take is named.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from proxy.config import Config
from proxy.config.differing import Difference, difference
from proxy.errors import ConfigError, described
from proxy.ports import Clock
from proxy.runtime import Live

LOOK_S: Final = 0.2
"""Between two looks at the file: what is saved holds within a second."""

SETTLE_S: Final = 0.05
"""Between two looks at what is read: whoever writes a file may begin by emptying it."""

TRIES: Final = 20
"""After so many, a file that is another at each look is given up."""

_EMPTY: Final = sha256(b"").digest()


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
        """Read the configuration, and follow it if it can be used. Never raises."""
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
        with _as_a_problem():
            found = await self._read_settled()
            await self.live.follow(found.followed)
        if self._told is not None:
            self._told(found.followed)
        return found

    async def _read_settled(self) -> Difference:
        """As `_read_anew`, once nobody writes the file: half of it may be a whole configuration."""
        for _ in range(TRIES):
            before = await self._look()
            found: Difference | ConfigError
            try:
                found = await self._read_anew()
            except ConfigError as error:
                found = error
            await asyncio.sleep(SETTLE_S if self.file else 0)
            if before == await self._look():
                break
        else:
            raise ConfigError([f"{self.file}: is another whenever it is read"])
        if isinstance(found, ConfigError):
            raise found
        return found

    async def _look(self) -> bytes | None:
        return None if self.file is None else await asyncio.to_thread(_digest, self.file)

    async def _read_anew(self) -> Difference:
        """Raises ConfigError. A file of no bytes is half written, or lost: it is not followed."""
        held, file = self.live.current.config, self.file

        def read() -> Difference:
            if file is not None and _digest(file) == _EMPTY:
                raise ConfigError([f"{file}: is empty"])
            return difference(held, self._read())

        return await asyncio.to_thread(read)

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
        if self.file is None:
            return
        seen: bytes | None = None
        before = await self._look()
        while True:
            await asyncio.sleep(LOOK_S)
            found = await self._look()
            is_steady, before = found == before, found
            if found is None or found == seen or not is_steady:
                continue
            seen = found
            if self.live.current.config.server.watch_config and await self._has_news():
                await self.reload(By.FILE)

    async def _has_news(self) -> bool:
        """Whether a reload would come to anything else than the last one, or the start."""
        last = self.last
        problems, left = ((), ()) if last is None else (last.problems, last.needs_restart)
        try:
            with _as_a_problem():
                found = await self._read_anew()
        except ConfigError as error:
            return tuple(error.problems) != problems
        return bool(found.changed or problems or found.needs_restart != left)


@contextmanager
def _as_a_problem() -> Iterator[None]:
    """Whatever is wrong with a file, it must not end those who wait for the next one."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError([f"cannot be followed: {described(error)}"]) from error


def _digest(file: Path) -> bytes | None:
    try:
        return sha256(file.read_bytes()).digest()
    except OSError:
        return None
