"""The numbers by which a configuration decides about neighbours, as they hold without a request.

Nothing is started: a model's card is read, and that is all.
"""

from dataclasses import dataclass
from typing import Final

from proxy.config import Config
from proxy.core.judgement.thresholds import calibration
from proxy.parts.semantic import SURE, embedder_of, ids

LEAST: Final = "cache.judgement.min_probability"
THRESHOLD: Final = "cache.vector.threshold"
FLOOR: Final = "cache.vector.floor"


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides.

    Attributes:
        scorer: Who gives the scores, as labels name it.
        key: The key of the least score.
        least: The least score that serves.
        floor: The least similarity at which the verifier is asked; None where nothing verifies.
    """

    scorer: str
    key: str
    least: float
    floor: float | None


def in_force(config: Config) -> InForce | None:
    """What holds; None where only exact repeats are answered.

    Raises:
        TierError: A model's card cannot be read.
    """
    embedder = embedder_of(config) if config.cache.vector.enabled else None
    if embedder is None:
        return None
    vector, judgement, found = config.cache.vector, config.cache.judgement, calibration(embedder.id)
    verifier = verifier_name(config)
    if verifier is None:
        threshold = found.threshold if vector.threshold is None else vector.threshold
        return InForce(scorer_name(embedder.id, None, 0), THRESHOLD, threshold, None)
    least = judgement.min_probability or _shipped(config)
    floor = found.floor if vector.floor is None else vector.floor
    return InForce(scorer_name(embedder.id, verifier, found.lean), LEAST, least, floor)


def _shipped(config: Config) -> float:
    if config.cache.judgement.verifier != "local":
        return SURE
    from proxy.verifying.onnx import OnnxVerifier  # noqa: PLC0415 - brings a runtime

    return OnnxVerifier().min_probability


def verifier_name(config: Config) -> str | None:
    """Ids of the local verifier and of the second judge, as they are configured; None for none."""
    _, local = ids(config)
    names = [] if local is None else [local]
    llm = config.cache.judgement.llm
    if llm.model is not None:
        from proxy.verifying.openai import judge_id  # noqa: PLC0415 - half a second

        names.append(judge_id(llm.model, llm.base_url))
    return "+".join(names) or None


def scorer_name(embedder: str, verifier: str | None, lean: float) -> str:
    """Whose scores are learned from: a label holds for no other.

    Args:
        embedder: Its id.
        verifier: Ids of those that verify; None where the similarity is the score.
        lean: How much the similarity is heard beside a verifier.
    """
    return embedder if verifier is None else f"{verifier}+{embedder}*{lean:g}"
