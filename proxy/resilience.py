"""Around an awaitable: an owner, a deadline, a breaker.

Rule of the file: a cache part's fault or lateness ends here, as "nothing found" and one event.
Above this layer no request fails because a part of the cache did.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any, TypeVar

from proxy.core.breaker import Breaker
from proxy.errors import TierError, described
from proxy.ports import Observer

T = TypeVar("T")

CANCEL_EVERY_S = 1.0
"""Between two cancellations of a task that goes on."""


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

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._observer.event("task_failed", task=task.get_name(), error=described(error))

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
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._ends - monotonic())

    @property
    def is_fair(self) -> bool:
        """Whether so much is left that a part which is late now is itself to blame."""
        return self.remaining >= self._seconds / 2


class Stage:
    """One part of the cache as requests use it: `ask` never raises and never outlives a deadline.

    Args:
        name: For events and `/readyz`.
        probe: Brings the part up, or proves that it is up; run at start, and while the breaker is
            open. Raises TierError when the part is not usable.
        tasks: Owner of the probing task.
        observer: Hears `stage_failed`, `breaker_opened` and `breaker_closed`.
        faults: Faults in a row that open the breaker.
        retry_s: Seconds between probes.
        probe_s: Seconds a probe may take.
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
    ) -> None:
        self.name = name
        self._probe = probe
        self._tasks = tasks
        self._observer = observer
        self._retry_s = retry_s
        self._probe_s = probe_s
        self._breaker = Breaker(limit=faults)
        self._probing: asyncio.Task[None] | None = None

    @property
    def trouble(self) -> str | None:
        """Why requests go past this part now; None when it is well."""
        return self._breaker.reason

    async def start(self) -> None:
        """Bring the part up. One that cannot start is degraded and tried again, not an error."""
        error = await self._probe_once()
        if error is not None:
            self._open(error)

    async def ask(self, question: Callable[[], Awaitable[T]], deadline: Deadline) -> T | None:
        """The part's answer, or None: it had none, failed, was late, or its breaker is open."""
        if self._breaker.is_open or deadline.remaining == 0.0:
            return None
        is_fair = deadline.is_fair
        try:
            async with asyncio.timeout(deadline.remaining):
                answer = await question()
        except TimeoutError:
            self._failed("late", counts=is_fair)
        except TierError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - a bug in a part must not fail a request either
            self._failed(described(error))
        else:
            self._breaker = self._breaker.succeeded()
            return answer
        return None

    def _failed(self, reason: str, *, counts: bool = True) -> None:
        self._observer.event("stage_failed", stage=self.name, reason=reason)
        if not counts:
            return
        was_open = self._breaker.is_open
        self._breaker = self._breaker.failed(reason)
        if self._breaker.is_open and not was_open:
            self._open(reason)

    def _open(self, reason: str) -> None:
        self._breaker = Breaker(self._breaker.limit, self._breaker.limit, reason)
        self._observer.event("breaker_opened", stage=self.name, reason=reason)
        if self._probing is None or self._probing.done():
            self._probing = self._tasks.start(f"probe {self.name}", self._probe_until_well())

    async def _probe_until_well(self) -> None:
        while self._breaker.is_open:
            await asyncio.sleep(self._retry_s)
            error = await self._probe_once()
            if error is None:
                self._breaker = self._breaker.succeeded()
                self._observer.event("breaker_closed", stage=self.name)
            else:
                self._breaker = self._breaker.failed(error)

    async def _probe_once(self) -> str | None:
        try:
            async with asyncio.timeout(self._probe_s):
                await self._probe()
        except TimeoutError:
            return "late"
        except TierError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a bug in a part must not end the probing
            return described(error)
        return None
