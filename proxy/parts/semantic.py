"""Builds what answers reworded questions: embedder, index, judge and verifier, as configured.

A part of the composition root, apart for its size. Building has no side effects: `proxy.runtime`
starts what is built, and closes it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from proxy.config import Config
from proxy.core.judgement.base import judge, read
from proxy.core.judgement.guards import ALL, Guard, select
from proxy.core.judgement.opinion import EVERYTHING, GreyZone
from proxy.core.judgement.thresholds import calibration
from proxy.core.judgement.verdict import Verdict
from proxy.core.lookup import Judge
from proxy.core.model import Candidate
from proxy.core.spending import Ledger
from proxy.embedding.memo import MemoEmbedder
from proxy.errors import ConfigError, TierError
from proxy.parts import indexing
from proxy.ports import Embedder, Index, Observer, SharedTier, Verifier, Writer
from proxy.resilience import Probe, Stage, StageOf, Tasks
from proxy.searching import Semantic, Verification
from proxy.threads import Patience
from proxy.verifying.cascade import Cascade
from proxy.verifying.memo import MemoVerifier
from proxy.verifying.second import SecondJudge, Terms
from proxy.verifying.verdicts import VerdictFile
from proxy.verifying.writer import CheckedWriter

if TYPE_CHECKING:
    from proxy.verifying.onnx import OnnxVerifier

VERDICTS_REMEMBERED = 10_000
"""Pairs of questions whose probability is at hand: a popular rewording is verified once."""


SURE = 1.0
"""The probability of what a language model vouches for: it says yes or no."""

WAIT_SHARE = 0.4
"""Of the deadline, that a request waits for the second judge. Under a half: a part that is asked in
the deadline's first half and is late counts as broken, and the verifier is not for its sake."""

QUEUE_SHARE = 0.7
"""Of the deadline, that a request may have to wait for others at a model in this process. The rest
is for its own run and what else a lookup does, and for an error in the reckoning."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What was built: models, connections and memories, none of which a rule's change touches.

    Attributes:
        embedder, embed_stage: Turn the question into a vector.
        index, index_stage: Find its neighbours.
        reader, stage: The local verifier, and the stage of all that verifies; None for none.
        second: The second judge; None for none.
        shipped: The least probability that the reader itself asks for.
        lean: How much the similarity is heard: see `proxy.core.judgement.weighing`.
        writer: Can write the questions that rules do not find; None where no model can.
        patience: How long the models in this process have a request wait for others.
        closers: Each part's `close`.
    """

    embedder: Embedder
    embed_stage: Stage
    index: Index
    index_stage: Stage
    reader: Verifier | None
    second: SecondJudge | None
    stage: Stage | None
    shipped: float
    lean: float
    writer: Writer | None
    patience: Patience
    closers: tuple[Callable[[], Awaitable[None]], ...]

    @property
    def verifier_id(self) -> str | None:
        """Who verifies; None for nobody. Raises TierError where a model cannot be read."""
        names = [one.id for one in (self.reader, self.second) if one is not None]
        return "+".join(names) or None


def build(
    config: Config,
    shared: SharedTier,
    stage_of: StageOf,
    tasks: Tasks,
    observer: Observer,
    ledger: Ledger,
) -> Meaning | None:
    """The parts, or None where only exact repeats are answered.

    Args:
        config: What the operator chose.
        shared: Has the entries that are indexed.
        stage_of: Makes the parts' stages.
        tasks: Owns what runs in the background.
        observer: Hears what happens.
        ledger: Hears what it costs.
    """
    vector = config.cache.vector
    patience = Patience(patience_s(config))
    embedder = embedder_of(config, ledger, patience) if vector.enabled else None
    if embedder is None:
        return None
    index = indexing.build(config, embedder, shared, observer)
    embed_stage = stage_of("embedder", _probe_embedder(embedder))
    index_stage = stage_of("vector", index.start)
    second, writer = _language_model(config, stage_of, tasks, observer, ledger)
    reader, shipped = _reader(config, patience)
    is_verified = reader is not None or second is not None
    closers = [part.close for part in (embedder, index, reader, second) if part is not None]
    return Meaning(
        embedder,
        embed_stage,
        index,
        index_stage,
        reader,
        second,
        stage_of("verifier", _probe_verifier(reader)) if is_verified else None,
        shipped,
        calibration(embedder.id).lean,
        writer,
        patience,
        tuple(closers),
    )


def semantic_of(config: Config, meaning: Meaning, observer: Observer) -> tuple[Semantic, float]:
    """For the search, and the least similarity a neighbour needs without a word from the caller.

    Args:
        config: The rules that hold.
        meaning: What they are applied with.
        observer: Hears which rule is not used, or guessed.

    Raises:
        ConfigError: A guard that does not exist.
    """
    verification = _verification(config, meaning)
    is_verified = verification is not None
    least = _least(config, meaning.embedder, observer, is_verified=is_verified)
    semantic = Semantic(
        meaning.embedder,
        meaning.embed_stage,
        meaning.index,
        meaning.index_stage,
        judge_of(least, guards_of(config), is_verified=is_verified),
        config.cache.vector.candidates,
        verification,
        meaning.writer if config.cache.judgement.llm.rewrite else None,
    )
    return semantic, least


def embedder_of(
    config: Config, ledger: Ledger | None = None, patience: Patience | None = None
) -> Embedder | None:
    """The embedder that is configured, None for none; who keeps the ledger hears what it costs."""
    match config.embedder.kind:
        case "none":
            return None
        case "local":
            made = _local(config, patience)
        case "openai":
            made = _openai(config, ledger)
        case other:
            assert_never(other)
    return MemoEmbedder(made, config.embedder.local.memo_entries)


def _local(config: Config, patience: Patience | None) -> Embedder:
    from proxy.embedding.onnx import OnnxEmbedder  # noqa: PLC0415 - brings a runtime

    return OnnxEmbedder(threads=config.embedder.local.threads, patience=patience)


def _openai(config: Config, ledger: Ledger | None) -> Embedder:
    from proxy.embedding.openai import OpenAiEmbedder  # noqa: PLC0415 - half a second

    remote = config.embedder.openai
    return OpenAiEmbedder(
        base_url=remote.base_url,
        api_key=remote.api_key.get_secret_value() if remote.api_key else None,
        model=remote.model,
        dimensions=remote.dimensions,
        timeout_s=remote.timeout_ms / 1000,
        max_retries=remote.max_retries,
        ledger=ledger,
    )


def _reader(config: Config, patience: Patience | None = None) -> tuple[Verifier | None, float]:
    """The local verifier, and the least probability that it ships with."""
    if config.cache.judgement.verifier != "local":
        return None, SURE
    from proxy.verifying.onnx import OnnxVerifier  # noqa: PLC0415 - brings a runtime

    local = OnnxVerifier(patience=patience)
    return MemoVerifier(local, VERDICTS_REMEMBERED), _shipped_min_probability(local)


def _verification(config: Config, meaning: Meaning) -> Verification | None:
    if meaning.stage is None:
        return None
    chosen = config.cache.judgement
    verifier: Verifier | None = meaning.reader
    least = chosen.min_probability or meaning.shipped
    if meaning.second is not None:
        llm = chosen.llm
        doubtful = GreyZone(llm.doubtful_from, llm.doubtful_to)
        zone = EVERYTHING if llm.ask == "every" else doubtful.around(least)
        verifier = Cascade(meaning.reader, meaning.second, zone)
    if verifier is None:
        return None
    return Verification(verifier, meaning.stage, least, meaning.lean)


def _language_model(
    config: Config, stage_of: StageOf, tasks: Tasks, observer: Observer, ledger: Ledger
) -> tuple[SecondJudge | None, Writer | None]:
    """One model as judge and as writer: one breaker, one budget."""
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
        ledger=ledger,
    )
    file = chosen.verdicts_file
    second = SecondJudge(
        judge,
        stage_of("judge", judge.start),
        Terms(
            calls_per_minute=chosen.max_calls_per_minute,
            timeout_s=timeout_s,
            wait_s=wait_s(config),
            remembered=chosen.memo_entries,
        ),
        tasks=tasks,
        observer=observer,
        verdicts=VerdictFile(file, judge.id) if file else None,
    )
    return second, CheckedWriter(judge, second.calls, chosen.memo_entries, observer=observer)


def patience_s(config: Config) -> float:
    """How long a request may have to wait for others at a model in this process, seconds."""
    return QUEUE_SHARE * config.cache.deadline_ms / 1000


def wait_s(config: Config) -> float:
    """How long a request waits for the second judge, seconds."""
    cache = config.cache
    return min(cache.judgement.llm.timeout_ms, WAIT_SHARE * cache.deadline_ms) / 1000


def _shipped_min_probability(verifier: "OnnxVerifier") -> float:
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
    embedder, (reader, _) = embedder_of(config), _reader(config)
    return embedder.id if embedder else "", reader.id if reader else None


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


def _probe_verifier(verifier: Verifier | None) -> Probe:
    async def probe() -> None:
        if verifier is not None:  # a language model has a stage of its own
            await verifier.start()  # judges a pair, which is proof enough

    return probe
