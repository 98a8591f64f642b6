"""Builds what learns from hits: labels, comparisons, marks, as configured.

A part of the composition root, apart for its size. Building has no side effects.
"""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from proxy.comparing import Comparer
from proxy.config import Config
from proxy.core.judgement.prompt import ANSWERS
from proxy.core.spending import Ledger
from proxy.errors import TierError
from proxy.learning import Learning, Terms
from proxy.marking import Hits, Marks
from proxy.parts.inforce import scorer_name
from proxy.parts.semantic import Meaning
from proxy.ports import LabelStore, Observer, Verifier
from proxy.resilience import Stage, StageOf, Tasks
from proxy.tiers.labels import LabelFile
from proxy.verifying.second import SecondJudge
from proxy.verifying.second import Terms as JudgeTerms


@dataclass(frozen=True, slots=True)
class Experience:
    """What was learned of hits.

    Attributes:
        store: Keeps it.
        learning: Which hits are served.
        marks: Which matches were called wrong.
        hits: Which hit a request got.
        closers: Each part's `close`.
    """

    store: LabelStore
    learning: Learning
    marks: Marks
    hits: Hits
    closers: tuple[Callable[[], Awaitable[None]], ...]
    observer: Observer

    async def start(self) -> None:
        """Recall what was kept; what cannot be read is an event, and learned again."""
        try:
            kept, marks = await self.store.load()
        except TierError as error:
            self.observer.event("labels_failed", reason=str(error))
        else:
            self.learning.recall(kept)
            self.marks.recall(marks)


def build(
    config: Config,
    meaning: Meaning | None,
    stage_of: StageOf,
    tasks: Tasks,
    observer: Observer,
    ledger: Ledger,
) -> Experience:
    """The parts."""
    chosen = config.cache.judgement
    store = LabelFile(chosen.labels)
    judge = _answer_judge(config, stage_of, tasks, observer, ledger)
    local: tuple[Verifier, Stage] | None = None
    if meaning is not None and meaning.reader is not None and meaning.stage is not None:
        local = (meaning.reader, meaning.stage)
    learning = Learning(
        replace(terms(config), scorer=_scorer(meaning)),
        Comparer(local, judge),
        store,
        draw=random.Random().random,  # noqa: S311 - nobody gains by guessing which hit is compared
        clock=time.time,
        observer=observer,
    )
    marks = Marks(store, clock=time.time, observer=observer)
    closers = (store.close, judge.close) if judge is not None else (store.close,)
    return Experience(store, learning, marks, Hits(), closers, observer)


def terms(config: Config) -> Terms:
    """Which hits are served, and how many compared; the scorer is not said."""
    chosen = config.cache.judgement
    return Terms(
        is_verified=chosen.policy == "verified",
        max_error=chosen.max_error,
        explore_share=chosen.explore_share,
        audit_share=chosen.audit_share,
        most_at_once=chosen.max_comparisons,
        quarantine=chosen.quarantine,
    )


def _scorer(meaning: Meaning | None) -> str:
    """Whose scores are learned from: a label holds for no other."""
    if meaning is None:
        return ""
    try:
        verifier = meaning.verifier_id
    except TierError:
        return "unknown"  # its files cannot be read: its stage says so, and nothing is vouched for
    return scorer_name(meaning.embedder.id, verifier, meaning.lean)


def _answer_judge(
    config: Config, stage_of: StageOf, tasks: Tasks, observer: Observer, ledger: Ledger
) -> SecondJudge | None:
    """The second judge, told about answers; asked only where a reload, too, has them compared."""
    llm = config.cache.judgement.llm
    if llm.model is None:
        return None
    from proxy.verifying.openai import OpenAiJudge  # noqa: PLC0415 - half a second

    timeout_s = llm.timeout_ms / 1000
    judge = OpenAiJudge(
        base_url=llm.base_url,
        api_key=llm.api_key.get_secret_value() if llm.api_key else None,
        model=llm.model,
        timeout_s=timeout_s,
        task=ANSWERS,
        ledger=ledger,
    )
    bounds = JudgeTerms(
        calls_per_minute=llm.max_calls_per_minute,
        timeout_s=timeout_s,
        wait_s=timeout_s,  # nobody waits for it
        remembered=0,
    )
    stage = stage_of("answer judge", judge.start)
    return SecondJudge(judge, stage, bounds, tasks=tasks, observer=observer)
