"""Builds what answers reworded questions: embedder, index, judge and verifier, as configured.

A part of the composition root, apart for its size. Building has no side effects: `proxy.runtime`
starts what is built, and closes it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from proxy.config import Config
from proxy.core.judgement.base import judge, read
from proxy.core.judgement.guards import ALL, Guard, select
from proxy.core.judgement.opinion import EVERYTHING, GreyZone
from proxy.core.judgement.thresholds import calibration
from proxy.core.lookup import Judge
from proxy.core.model import Candidate, Verdict
from proxy.embedding.memo import MemoEmbedder
from proxy.embedding.onnx import OnnxEmbedder
from proxy.errors import ConfigError, TierError
from proxy.parts import indexing
from proxy.ports import Embedder, Observer, SharedTier, Verifier, Writer
from proxy.resilience import Probe, StageOf, Tasks
from proxy.searching import Semantic, Verification
from proxy.verifying.cascade import Cascade
from proxy.verifying.memo import MemoVerifier
from proxy.verifying.onnx import OnnxVerifier
from proxy.verifying.second import SecondJudge, Terms
from proxy.verifying.verdicts import VerdictFile
from proxy.verifying.writer import CheckedWriter

VERDICTS_REMEMBERED = 10_000
"""Pairs of questions whose probability is at hand: a popular rewording is verified once."""


SURE = 1.0
"""The probability of what a language model vouches for: it says yes or no."""

WAIT_SHARE = 0.4
"""Of the deadline, that a request waits for the second judge. Under a half: a part that is asked in
the deadline's first half and is late counts as broken, and the verifier is not for its sake."""


@dataclass(frozen=True, slots=True)
class Built:
    """What was built.

    Attributes:
        semantic: For the search.
        least: The least similarity that a neighbour needs, without a word from the caller.
        closers: Each part's `close`.
    """

    semantic: Semantic
    least: float
    closers: tuple[Callable[[], Awaitable[None]], ...]


def build(
    config: Config, shared: SharedTier, stage_of: StageOf, tasks: Tasks, observer: Observer
) -> Built | None:
    """The parts, or None where only exact repeats are answered.

    Args:
        config: What the operator chose.
        shared: Has the entries that are indexed.
        stage_of: Makes the parts' stages.
        tasks: Owns what runs in the background.
        observer: Hears what happens.

    Raises:
        ConfigError: A guard that does not exist.
    """
    vector = config.cache.vector
    embedder = embedder_of(config) if vector.enabled else None
    if embedder is None:
        return None
    index = indexing.build(config, embedder, shared, observer)
    embed_stage = stage_of("embedder", _probe_embedder(embedder))
    index_stage = stage_of("vector", index.start)
    second, writer = _language_model(config, stage_of, tasks, observer)
    verification = _verification(config, stage_of, second, calibration(embedder.id).lean)
    least = _least(config, embedder, observer, is_verified=verification is not None)
    semantic = Semantic(
        embedder,
        embed_stage,
        index,
        index_stage,
        judge_of(least, guards_of(config), is_verified=verification is not None),
        vector.candidates,
        verification,
        writer,
    )
    closers = [embedder.close, index.close]
    if verification is not None:
        closers.append(verification.verifier.close)
    if second is not None:
        closers.append(second.close)
    return Built(semantic, least, tuple(closers))


def embedder_of(config: Config) -> Embedder | None:
    """The embedder that is configured; None for none."""
    chosen = config.embedder
    if chosen.kind == "none":
        return None
    if chosen.kind == "local":
        local = OnnxEmbedder(threads=chosen.local.threads)
        return MemoEmbedder(local, chosen.local.memo_entries)
    from proxy.embedding.openai import OpenAiEmbedder  # noqa: PLC0415 - half a second

    remote, key = chosen.openai, chosen.openai.api_key
    return MemoEmbedder(
        OpenAiEmbedder(
            base_url=remote.base_url,
            api_key=key.get_secret_value() if key else None,
            model=remote.model,
            dimensions=remote.dimensions,
            timeout_s=remote.timeout_ms / 1000,
            max_retries=remote.max_retries,
        ),
        chosen.local.memo_entries,
    )


def _verification(
    config: Config, stage_of: StageOf, second: SecondJudge | None, lean: float
) -> Verification | None:
    chosen = config.cache.judgement
    verifier: Verifier | None = None
    least = chosen.min_probability or SURE
    if chosen.verifier == "local":
        local = OnnxVerifier()
        verifier = MemoVerifier(local, VERDICTS_REMEMBERED)
        least = chosen.min_probability or _shipped_min_probability(local)
    if second is not None:
        llm = chosen.llm
        doubtful = GreyZone(llm.doubtful_from, llm.doubtful_to)
        zone = EVERYTHING if llm.ask == "every" else doubtful.around(least)
        verifier = Cascade(verifier, second, zone)
    if verifier is None:
        return None
    return Verification(verifier, stage_of("verifier", _probe_verifier(verifier)), least, lean)


def _language_model(
    config: Config, stage_of: StageOf, tasks: Tasks, observer: Observer
) -> tuple[SecondJudge | None, Writer | None]:
    """One model as judge and, where that is asked for, as writer: one breaker, one budget."""
    chosen = config.cache.judgement.llm
    if chosen.model is None:
        return None, None
    from proxy.verifying.openai import OpenAiJudge  # noqa: PLC0415 - half a second

    timeout_s = chosen.timeout_ms / 1000
    judge = OpenAiJudge(
        base_url=chosen.base_url,
        api_key=chosen.api_key.get_secret_value() if chosen.api_key else None,
        model=chosen.model,
        timeout_s=timeout_s,
    )
    file = chosen.verdicts_file
    second = SecondJudge(
        judge,
        stage_of("judge", judge.start),
        Terms(
            calls_per_minute=chosen.max_calls_per_minute,
            timeout_s=timeout_s,
            wait_s=min(timeout_s, WAIT_SHARE * config.cache.deadline_ms / 1000),
            remembered=chosen.memo_entries,
        ),
        tasks=tasks,
        observer=observer,
        verdicts=VerdictFile(file, judge.id) if file else None,
    )
    if not chosen.rewrite:
        return second, None
    return second, CheckedWriter(judge, second.calls, chosen.memo_entries, observer=observer)


def _shipped_min_probability(verifier: OnnxVerifier) -> float:
    try:
        return verifier.min_probability
    except TierError:
        return 1.0  # no card, no model: the stage says so, and nothing is vouched for


def _least(config: Config, embedder: Embedder, observer: Observer, *, is_verified: bool) -> float:
    """The verifier sees what is not hopeless; without one, only what is nearly sure is served."""
    vector = config.cache.vector
    chosen = vector.floor if is_verified else vector.threshold
    if is_verified and chosen is None and vector.threshold is not None:
        # Whoever set it expects it to hold: say that the verifier took its place.
        observer.event("threshold_unused", threshold=vector.threshold)
    if chosen is not None:
        return chosen
    found = calibration(embedder.id)
    least = found.floor if is_verified else found.threshold
    if found.is_guess:
        observer.event(
            "threshold_uncalibrated", embedder=embedder.id, threshold=least, source=found.source
        )
    return least


def ids(config: Config) -> tuple[str, str | None]:
    """The configured embedder's id, "" for none, and the local verifier's: what a threshold is for.

    Raises:
        TierError: A model's card cannot be read.
    """
    embedder = embedder_of(config)
    is_verified = config.cache.judgement.verifier == "local"
    return embedder.id if embedder else "", OnnxVerifier().id if is_verified else None


def guards_of(config: Config) -> Sequence[Guard]:
    """The guards that are configured. Raises ConfigError when one does not exist."""
    chosen = config.cache.vector.guards
    try:
        return ALL if isinstance(chosen, str) else select(chosen)
    except ValueError as error:
        raise ConfigError([f"cache.vector.guards: {error}"]) from error


def judge_of(least: float, guards: Sequence[Guard], *, is_verified: bool) -> Judge:
    """The judge of `proxy.core.judgement` over texts; the caller's own least takes its place."""

    def verdicts(
        question: str, found: Sequence[Candidate], stricter: float | None
    ) -> Sequence[Verdict]:
        threshold = least if stricter is None else stricter
        new = read(question)
        return [
            judge(
                new,
                read(old.question),
                old.similarity,
                threshold=threshold,
                guards=guards,
                is_verified=is_verified,
            )
            for old in found
        ]

    return verdicts


def _probe_embedder(embedder: Embedder) -> Probe:
    async def probe() -> None:
        await embedder.start()  # makes a vector, which is proof enough

    return probe


def _probe_verifier(verifier: Verifier) -> Probe:
    async def probe() -> None:
        await verifier.start()  # judges a pair, which is proof enough

    return probe
