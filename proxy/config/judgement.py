"""The judgement's configuration: who has the last word on a neighbour that is near enough."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from proxy.config.llm import LlmJudge
from proxy.config.section import AtStart, Section


class Judgement(Section):
    """Whether a neighbour's answer serves, once similarity and guards have let it through."""

    verifier: AtStart[Literal["local", "none"]] = "local"
    """Who confirms a neighbour: `local`, the model that comes with the program, which reads both
    questions; or `none`: similarity and guards decide alone, at `cache.vector.threshold`.
    """

    min_probability: float | None = Field(default=None, gt=0, le=1)
    """Least probability, by the verifier, that one answer serves both questions; null takes the
    verifier's own calibration. Higher: fewer wrong hits, and fewer hits.
    """

    policy: Literal["static", "verified"] = "static"
    """Whether that is enough: `static` serves what was confirmed; `verified` serves it only where
    comparisons with fresh answers have shown that at most `max_error` of such hits are wrong, and
    asks upstream until they have.
    """

    max_error: AtStart[float] = Field(default=0.01, ge=0.001, le=0.5)
    """Share of hits on reworded questions that may be wrong: what `verified` holds, and above which
    an audit suspends a namespace. Lower takes longer to prove: 299 comparisons at 0.01, 59 at 0.05.
    """

    explore_share: float = Field(default=0.02, ge=0, le=1)
    """Share of proven hits that are asked upstream all the same, to keep the proof fresh."""

    audit_share: float = Field(default=0, ge=0, le=1)
    """Share of hits on reworded questions that are asked upstream as well, in the background and at
    the caller's expense, and compared: the live rate of wrong hits. 0 costs and knows nothing.

    As many near misses are compared too, at no cost, for `reprise tune`.
    """

    max_comparisons: int = Field(default=8, ge=1, le=1000)
    """Audits and comparisons under way at once; those beyond are left out."""

    quarantine: bool = False
    """Serve nobody an answer to another caller's question, but for its repeats, until an answer of
    his own has agreed with it. It is for `cache.tenancy: shared`, where callers need not trust one
    another.
    """

    labels: AtStart[Path] = Path("data/labels.db")
    """File that comparisons and feedback are kept in: scores and digests, no questions. It is made
    when there is something to keep. Each replica has its own, which its workers share.
    """

    llm: LlmJudge = LlmJudge()
    """A language model as a second judge: it is sent the questions that it judges."""
