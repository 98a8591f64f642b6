"""Calls to a language model: within a budget, few at once, and owned by nobody's request.

Rules of the file:

- A call belongs to nobody's request. Whoever waits for it gives up in time, the call goes on to its
  own end, and what it brought is there when the same is asked again.
- What failed or was late is not remembered.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from proxy.core.budget import Budget
from proxy.resilience import Deadline, Stage, Tasks

T = TypeVar("T")

MOST_AT_ONCE: Final = 32
"""Calls under way; nothing further is asked."""


class Silence(Enum):
    """Why there is nothing."""

    UNANSWERED = "unanswered"
    """It was asked, and failed or was late."""

    NOT_ASKED = "not asked"
    """The budget is spent, too many calls are under way, or the model is down."""


class Calls:
    """What all who ask one model share: its breaker, its budget, the calls under way.

    Args:
        stage: The model's breaker.
        tasks: Owner of the calls.
        per_minute: Calls that come in a minute; as many may be made at once.
        timeout_s: Longest a call may take.
        wait_s: Longest a request waits for one.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        stage: Stage,
        tasks: Tasks,
        *,
        per_minute: float,
        timeout_s: float,
        wait_s: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.wait_s = wait_s
        self._stage = stage
        self._tasks = tasks
        self._timeout_s = timeout_s
        self._budget = Budget.full(per_minute, clock())
        self._clock = clock
        self._under_way = 0

    def may_begin(self) -> bool:
        """Take a call from the budget; False when the model is down, busy, or has cost enough."""
        if self._stage.trouble is not None or self._under_way >= MOST_AT_ONCE:
            return False
        budget = self._budget.spend(self._clock())
        if budget is None:
            return False
        self._budget = budget
        return True

    def begin(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a call that may begin."""
        self._under_way += 1
        call = self._tasks.start(name, work)
        call.add_done_callback(self._ended)
        return call

    def _ended(self, _: asyncio.Task[T]) -> None:
        self._under_way -= 1

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """Make the call, within its time; None when it failed or was late."""
        return await self._stage.ask(question, Deadline(self._timeout_s))


class Asked(Generic[T]):
    """What a model said, by what it was asked: once for each, and remembered.

    Args:
        name: Of the tasks.
        calls: To the model.
        remembered: Answers kept in memory; the least recently used go first.
    """

    def __init__(self, name: str, calls: Calls, remembered: int) -> None:
        self._name = name
        self._calls = calls
        self._remembered = remembered
        self._known: OrderedDict[str, T] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[T | None]] = {}

    def clear(self) -> None:
        """Forget."""
        self._known.clear()

    async def get(
        self,
        key: str,
        ask: Callable[[], Awaitable[T]],
        heard: Callable[[T | None], Awaitable[None]],
    ) -> T | Silence:
        """The answer, remembered, under way or new. Never raises.

        Args:
            key: What is asked: a digest, so that nobody's prompt stays in memory for it.
            ask: Asks the model.
            heard: Told what a call brought, once; None when it brought nothing.
        """
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        call = self._under_way.get(key) or self._begin(key, ask, heard)
        if call is None:
            return Silence.NOT_ASKED
        done, _ = await asyncio.wait([call], timeout=self._calls.wait_s)
        if not done or call.cancelled() or call.exception() is not None:
            return Silence.UNANSWERED
        answer = call.result()
        return Silence.UNANSWERED if answer is None else answer

    def _begin(
        self,
        key: str,
        ask: Callable[[], Awaitable[T]],
        heard: Callable[[T | None], Awaitable[None]],
    ) -> asyncio.Task[T | None] | None:
        if not self._calls.may_begin():
            return None
        call = self._calls.begin(self._name, self._hear(key, ask, heard))
        self._under_way[key] = call
        call.add_done_callback(lambda _: self._under_way.pop(key, None))
        return call

    async def _hear(
        self,
        key: str,
        ask: Callable[[], Awaitable[T]],
        heard: Callable[[T | None], Awaitable[None]],
    ) -> T | None:
        answer = await self._calls.ask(ask)
        if answer is not None:
            self._remember(key, answer)
        await heard(answer)
        return answer

    def _remember(self, key: str, answer: T) -> None:
        self._known[key] = answer
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
