"""A language model asked for its word, within a budget, and never for longer than a caller waits.

A verdict is of two texts: it is remembered without a tenant or scope, for both orders, and for
texts as digests, so that nobody's prompt stays in memory for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

from proxy.core.judgement.opinion import Opinion
from proxy.core.judgement.prompt import may_ask
from proxy.errors import TierError
from proxy.ports import Observer
from proxy.resilience import Stage, Tasks
from proxy.verifying.calls import Asked, Calls, Silence
from proxy.verifying.verdicts import VerdictFile, pair_id

_WHY_SILENT: Final = {
    Silence.UNANSWERED: Opinion.UNANSWERED,
    Silence.NOT_ASKED: Opinion.NOT_ASKED,
}


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
        self._observer = observer
        self._verdicts = verdicts
        self.calls = Calls(
            stage,
            tasks,
            per_minute=terms.calls_per_minute,
            timeout_s=terms.timeout_s,
            wait_s=terms.wait_s,
            clock=clock,
        )
        """For others who ask the same model: one budget holds for all."""
        self._asked = Asked[Opinion]("judge", self.calls, terms.remembered)

    @property
    def id(self) -> str:
        """The judge's."""
        return self._judge.id

    async def close(self) -> None:
        """Close the judge, and forget. Calls under way are ended by the owner of the tasks."""
        await self._judge.close()
        self._asked.clear()

    async def ask(self, question: str, candidate: str) -> Opinion:
        """What the judge says of the pair, or why it says nothing. Never raises."""
        if not (may_ask(question) and may_ask(candidate)):
            return Opinion.UNREADABLE

        async def heard(opinion: Opinion | None) -> None:
            said = opinion or Opinion.UNANSWERED
            self._observer.event("judge_asked", opinion=said.value)
            await self._write(question, candidate, said)

        found = await self._asked.get(
            pair_id(question, candidate), lambda: self._judge.ask(question, candidate), heard
        )
        return _WHY_SILENT[found] if isinstance(found, Silence) else found

    async def _write(self, question: str, candidate: str, opinion: Opinion) -> None:
        if self._verdicts is None or opinion not in (Opinion.SAME, Opinion.DIFFERENT):
            return
        try:
            await self._verdicts.append(question, candidate, is_same=opinion is Opinion.SAME)
        except TierError as error:
            self._observer.event("verdict_not_kept", reason=str(error))
