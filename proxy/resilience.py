"""Around an awaitable: an owner, a deadline, a breaker.

Rule of the file: a cache part's fault or lateness ends here, as "nothing found" and one event.
Above this layer no request fails because a part of the cache did.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from random import random
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

from proxy.core.breaker import Breaker, pause_s
from proxy.errors import BusyError, TierError, described
from proxy.ports import Observer

T = TypeVar("T")

Probe = Callable[[], Awaitable[object]]
"""Proves that a part is well: raises where it is not."""

CANCEL_EVERY_S = 1.0
"""Between two cancellations of a task that goes on."""

BEGIN_ANEW_S = 1.0
"""Between the crash of work that shall go on for ever, and its next beginning."""

LATE: Final = "late"
"""Why a part is gone past that did not answer at all in the time it had."""


class Tasks:
    """Owns background tasks, by name, so that none is collected and no error is lost."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, name: str, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run it until it ends or `close`; a crash becomes a `task_failed` event."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """The same, for work that nobody looks back at."""
        self.start(name, work)  # type: ignore[unused-awaitable]

    def keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run what shall go on until `close`: when a crash ends it, it is begun anew."""
        self.run(name, self._kept(name, work))

    async def _kept(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                return await work()
            except Exception as error:  # noqa: BLE001 - a defect, which must not end it for good
                self._crashed(name, error)
            await asyncio.sleep(BEGIN_ANEW_S)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashed(task.get_name(), error)

    def _crashed(self, name: str, error: BaseException) -> None:
        self._observer.event("task_failed", task=name, error=described(error))

    async def close(self) -> None:
        """Cancel what is left, and wait until it is gone.

        A library may swallow a cancellation that comes while it connects, so it is said again.
        """
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=CANCEL_EVERY_S)


class Deadline:
    """A moment that all cache stages of one request share."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = monotonic() + seconds

    @property
    def seconds(self) -> float:
        """Seconds it began with."""
        return self._seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._ends - monotonic())

    @property
    def is_fair(self) -> bool:
        """Whether so much is left that a part which is late now is itself to blame."""
        return self.remaining >= self._seconds / 2


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon a part must answer, or requests go past it although it is up.

    Attributes:
        check: Asks the part as a request does; run after a good probe.
        within_s: Seconds that the check may take.
        share: Of a whole deadline, what one question may take: the rest is for the other parts.
    """

    check: Callable[[], Awaitable[object]]
    within_s: float
    share: float


class Stage:
    """One part of the cache as requests use it: `ask` never raises and never outlives a deadline.

    Args:
        name: For events and `/readyz`.
        probe: Brings the part up, or proves that it is up; run at start, and while the breaker is
            open. Raises TierError when the part is not usable.
        tasks: Owner of the probing task.
        observer: Hears `stage_failed`, `stage_busy`, `breaker_opened`, `breaker_closed` and
            `writes_refused`.
        faults: Faults in a row that open the breaker.
        retry_s: Longest pause between probes, seconds.
        probe_s: Seconds a probe may take.
        pace: How soon it must answer; None where a deadline is bound enough.
    """

    def __init__(
        self,
        name: str,
        probe: Callable[[], Awaitable[object]],
        *,
        tasks: Tasks,
        observer: Observer,
        faults: int = 1,
        retry_s: float = 1.0,
        probe_s: float = 5.0,
        pace: Pace | None = None,
    ) -> None:
        self.name = name
        self._probe = probe
        self._tasks = tasks
        self._observer = observer
        self._retry_s = retry_s
        self._probe_s = probe_s
        self._pace = pace
        self._breaker = Breaker(limit=faults)
        self._is_up = True
        self._asking = 0
        self._busy_until = 0.0
        self._refusal: str | None = None
        self._better = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str | None:
        """Why requests go past this part now; None when it is well."""
        return self._breaker.reason

    @property
    def status(self) -> str | None:
        """What is wrong with it, for people: its trouble, or why it takes no writes."""
        refusal = self._refusal and f"refuses writes: {self._refusal}"
        return self.trouble or refusal

    @property
    def is_up(self) -> bool:
        """Whether it answers, if only too late for a request: what nobody waits for may use it."""
        return self._is_up

    def adapt(self, *, faults: int, retry_s: float, probe_s: float, within_s: float) -> None:
        """Take other bounds from now on; `within_s` is that of the pace, where there is one."""
        self._breaker = replace(self._breaker, limit=faults)
        self._retry_s = retry_s
        self._probe_s = probe_s
        if self._pace is not None:
            self._pace = replace(self._pace, within_s=within_s)

    @property
    def is_busy(self) -> bool:
        """Whether a request waits for it now: what nobody waits for lets it pass."""
        return self._asking > 0

    async def start(self) -> None:
        """Bring the part up. One that cannot start is degraded and tried again, not an error."""
        error = await self._probe_once()
        if error is not None:
            self._open(error)

    async def ask(self, question: Callable[[], Awaitable[T]], deadline: Deadline) -> T | None:
        """The part's answer, or None: it had none, failed, is busy or late, or is in trouble."""
        seconds = deadline.remaining
        if self._breaker.is_open or seconds == 0.0:
            return None
        if self._pace is not None:
            seconds = min(seconds, deadline.seconds * self._pace.share)
        is_fair = deadline.is_fair
        self._asking += 1
        try:
            async with asyncio.timeout(seconds):
                answer = await question()
        except TimeoutError:
            self._failed(LATE, counts=is_fair)
        except BusyError:
            self._passed_by()
        except TierError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - a bug in a part must not fail a request either
            self._failed(described(error))
        else:
            self._breaker = self._breaker.succeeded()
            return answer
        finally:
            self._asking -= 1
        return None

    async def tell(self, write: Callable[[], Awaitable[T]], deadline: Deadline) -> T | None:
        """What the write returns, or None: it failed, was late, or the part is not up.

        A part that refuses a write may answer reads as before (a Redis that is full does), so this
        opens no breaker: the part is probed at once, and that does where it is not up at all.
        """
        if not self._is_up:
            return None
        try:
            async with asyncio.timeout(deadline.remaining):
                answer = await write()
        except TimeoutError:
            self._refused(LATE)
        except TierError as error:
            self._refused(str(error))
        except Exception as error:  # noqa: BLE001 - a bug in a part must not end who stores
            self._refused(described(error))
        else:
            self._refusal = None
            return answer
        return None

    async def gets_better(self, seconds: float) -> bool:
        """Wait until a part in trouble is up, or well, again; False when that takes longer."""
        better = self._better
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await better.wait()
        return False

    def _passed_by(self) -> None:
        """No fault, and no end of it under load: told once in as long as a probe would take."""
        now = monotonic()
        if now >= self._busy_until:
            self._busy_until = now + self._retry_s
            self._observer.event("stage_busy", stage=self.name)

    def _failed(self, reason: str, *, counts: bool = True) -> None:
        self._observer.event("stage_failed", stage=self.name, reason=reason)
        if not counts:
            return
        was_open = self._breaker.is_open
        self._breaker = self._breaker.failed(reason, is_late=reason == LATE)
        if self._breaker.is_open and not was_open:
            self._is_up = False
            self._opened(reason)

    def _refused(self, reason: str) -> None:
        was_refused, self._refusal = self._refusal is not None, reason
        if not was_refused:
            self._probe_in_background(self._probe_after_refusal(reason))

    async def _probe_after_refusal(self, reason: str) -> None:
        error = await self._probe_once()
        if error is None:
            self._observer.event("writes_refused", stage=self.name, reason=reason)
        elif not self._breaker.is_open:
            self._open(error)
        await self._probe_until_well()

    def _open(self, reason: str) -> None:
        self._breaker = self._breaker.opened(reason)
        self._opened(reason)

    def _opened(self, reason: str) -> None:
        self._refusal = None
        self._observer.event("breaker_opened", stage=self.name, reason=reason)
        self._probe_in_background(self._probe_until_well())

    def _probe_in_background(self, probing: Coroutine[Any, Any, None]) -> None:
        if self._probing is None or self._probing.done():
            self._probing = self._tasks.start(f"probe {self.name}", probing)
        else:
            probing.close()  # one that is under way finds the same out

    async def _probe_until_well(self) -> None:
        while self._breaker.is_open:
            await asyncio.sleep(pause_s(self._retry_s, random()))  # noqa: S311 - spreads, no secret
            was_up = self._is_up
            error = await self._probe_once()
            if error is None:
                self._breaker = self._breaker.proven()
            else:
                self._breaker = self._breaker.disproven(error)
            if not self._breaker.is_open:
                self._observer.event("breaker_closed", stage=self.name)
            if not self._breaker.is_open or (self._is_up and not was_up):
                self._better.set()
                self._better = asyncio.Event()

    async def _probe_once(self) -> str | None:
        """Why requests must go past the part, or None; says too whether it is up."""
        self._is_up, error = await self._probed()
        return error

    async def _probed(self) -> tuple[bool, str | None]:
        try:
            async with asyncio.timeout(self._probe_s):
                await self._probe()
                return True, await self._lateness()
        except TimeoutError:
            return False, LATE
        except TierError as error:
            return False, str(error)
        except Exception as error:  # noqa: BLE001 - a bug in a part must not end the probing
            return False, described(error)

    async def _lateness(self) -> str | None:
        if self._pace is None:
            return None
        began = monotonic()
        await self._pace.check()
        seconds = monotonic() - began
        if seconds <= self._pace.within_s:
            return None
        return f"slow: {seconds * 1000:.0f} ms, over {self._pace.within_s * 1000:.0f} ms"


class StageOf(Protocol):
    """Makes a part's stage."""

    def __call__(self, name: str, probe: Probe, pace: Pace | None = None) -> Stage:
        """From its name, what proves it well, and how soon it must answer, where that is said."""
        ...
