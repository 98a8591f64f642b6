"""A language model asked for its word, within a budget, and never for longer than a caller waits.

Rules of the file:

- A call belongs to nobody's request. Whoever waits for it gives up in time, the call goes on to its
  own end, and its verdict is there when the pair comes again.
- A verdict is of two texts: it is remembered without a tenant or scope, for both orders, and for
  texts as digests, so that nobody's prompt stays in memory for it.
- What was no verdict, because the judge failed or was late, is not remembered.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

from proxy.core.budget import Budget
from proxy.core.judgement.opinion import Opinion
from proxy.core.judgement.prompt import may_ask
from proxy.errors import TierError
from proxy.ports import Observer
from proxy.resilience import Deadline, Stage, Tasks
from proxy.verifying.verdicts import VerdictFile, pair_id

MOST_AT_ONCE: Final = 32
"""Calls under way; further pairs are not asked about."""


class Judge(Protocol):
    """Who is asked."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    async def close(self) -> None:
        """Release everything."""
        ...

    async def ask(self, question: str, candidate: str) -> Opinion:
        """`SAME`, `DIFFERENT` or `UNREADABLE`. Raises TierError when it has no answer."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """How often and how long a judge may be asked.

    Attributes:
        calls_per_minute: Calls that come in a minute; as many may be made at once.
        timeout_s: Longest a call may take.
        wait_s: Longest a request waits for one.
        remembered: Verdicts kept in memory; the least recently used go first.
    """

    calls_per_minute: float
    timeout_s: float
    wait_s: float
    remembered: int


class SecondJudge:
    """Asks a judge about pairs, as seldom as it can.

    Args:
        judge: Who is asked.
        stage: Its breaker.
        terms: How often, and how long.
        tasks: Owner of the calls.
        observer: Hears `judge_asked` with the `opinion`, and `verdict_not_kept`.
        verdicts: Where verdicts are written; None for nowhere.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        judge: Judge,
        stage: Stage,
        terms: Terms,
        *,
        tasks: Tasks,
        observer: Observer,
        verdicts: VerdictFile | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._judge = judge
        self._stage = stage
        self._tasks = tasks
        self._observer = observer
        self._terms = terms
        self._budget = Budget.full(terms.calls_per_minute, clock())
        self._verdicts = verdicts
        self._clock = clock
        self._known: OrderedDict[str, Opinion] = OrderedDict()
        self._calls: dict[str, asyncio.Task[Opinion]] = {}

    @property
    def id(self) -> str:
        """The judge's."""
        return self._judge.id

    async def close(self) -> None:
        """Close the judge, and forget. Calls under way are ended by the owner of the tasks."""
        await self._judge.close()
        self._known.clear()

    async def ask(self, question: str, candidate: str) -> Opinion:
        """What the judge says of the pair, or why it says nothing. Never raises."""
        if not (may_ask(question) and may_ask(candidate)):
            return Opinion.UNREADABLE
        key = pair_id(question, candidate)
        if (known := self._known.get(key)) is not None:
            self._known.move_to_end(key)
            return known
        call = self._calls.get(key) or self._call(key, question, candidate)
        if call is None:
            return Opinion.NOT_ASKED
        done, _ = await asyncio.wait([call], timeout=self._terms.wait_s)
        if not done or call.cancelled() or call.exception() is not None:
            return Opinion.UNANSWERED
        return call.result()

    def _call(self, key: str, question: str, candidate: str) -> asyncio.Task[Opinion] | None:
        """A call of its own; None when the judge is down, busy, or has cost enough."""
        if self._stage.trouble is not None or len(self._calls) >= MOST_AT_ONCE:
            return None
        budget = self._budget.spend(self._clock())
        if budget is None:
            return None
        self._budget = budget
        call = self._tasks.start("judge", self._hear(key, question, candidate))
        self._calls[key] = call
        call.add_done_callback(lambda _: self._calls.pop(key, None))
        return call

    async def _hear(self, key: str, question: str, candidate: str) -> Opinion:
        asked = await self._stage.ask(
            lambda: self._judge.ask(question, candidate), Deadline(self._terms.timeout_s)
        )
        opinion = asked or Opinion.UNANSWERED
        self._observer.event("judge_asked", opinion=opinion.value)
        if asked is not None:
            self._remember(key, asked)
            await self._write(question, candidate, asked)
        return opinion

    def _remember(self, key: str, opinion: Opinion) -> None:
        self._known[key] = opinion
        while len(self._known) > self._terms.remembered:
            self._known.popitem(last=False)

    async def _write(self, question: str, candidate: str, opinion: Opinion) -> None:
        if self._verdicts is None or opinion not in (Opinion.SAME, Opinion.DIFFERENT):
            return
        try:
            await self._verdicts.append(question, candidate, is_same=opinion is Opinion.SAME)
        except TierError as error:
            self._observer.event("verdict_not_kept", reason=str(error))
