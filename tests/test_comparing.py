"""How two answers are compared."""

from collections.abc import AsyncIterator

import pytest

from proxy.comparing import Comparer
from proxy.core.agreement import Agreement
from proxy.core.judgement.opinion import Opinion
from proxy.resilience import Stage, Tasks
from tests.support.ports import FixedVerifier, Heard

OLD, NEW = "Open Settings and choose Dark.", "Choose Dark in the settings."


class Judge:
    """A language model that always says the same."""

    def __init__(self, opinion: Opinion) -> None:
        self.opinion = opinion
        self.asked: list[tuple[str, str]] = []

    async def ask(self, question: str, candidate: str) -> Opinion:
        """What it was told to say."""
        self.asked.append((question, candidate))
        return self.opinion


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    tasks = Tasks(Heard())
    yield Stage("verifier", FixedVerifier().start, tasks=tasks, observer=Heard())
    await tasks.close()


@pytest.mark.parametrize(
    ("probability", "agreement"),
    [
        (0.95, Agreement.SAME),
        (0.5, Agreement.UNSURE),
        (0.01, Agreement.OTHER),
        (0.0, Agreement.UNSURE),
    ],
)
async def test_the_verifier_reads_what_no_rule_decides(
    stage: Stage, probability: float, agreement: Agreement
) -> None:
    """Where no language model is configured."""
    verifier = FixedVerifier(**{NEW: probability})

    assert await Comparer((verifier, stage)).compare([OLD], [NEW]) is agreement
    assert verifier.asked == [(OLD, NEW)]


async def test_equal_answers_cost_nothing(stage: Stage) -> None:
    """Nobody is asked."""
    verifier, judge = FixedVerifier(), Judge(Opinion.DIFFERENT)

    assert await Comparer((verifier, stage), judge).compare([OLD], [OLD]) is Agreement.SAME
    assert (verifier.asked, judge.asked) == ([], [])


async def test_a_fact_outweighs_the_verifier(stage: Stage) -> None:
    """A number that differs is another answer, however alike the texts are."""
    new = "Within 14 days."
    verifier = FixedVerifier(**{new: 0.99})

    assert await Comparer((verifier, stage)).compare(["Within 30 days."], [new]) is Agreement.OTHER


async def test_long_answers_are_unsure_without_a_judge(stage: Stage) -> None:
    """Nobody here can read them whole."""
    verifier = FixedVerifier()
    long = "This is how it is done, step by step, and why. " * 20

    assert await Comparer((verifier, stage)).compare([long], [long[:-20]]) is Agreement.UNSURE
    assert await Comparer(None).compare([OLD], [NEW]) is Agreement.UNSURE
    assert verifier.asked == []


async def test_a_verifier_that_fails_says_nothing(stage: Stage) -> None:
    """Its silence is no verdict."""
    verifier = FixedVerifier()
    verifier.fails = True

    assert await Comparer((verifier, stage)).compare([OLD], [NEW]) is None


@pytest.mark.parametrize(
    ("opinion", "agreement"),
    [
        (Opinion.SAME, Agreement.SAME),
        (Opinion.DIFFERENT, Agreement.OTHER),
        (Opinion.UNREADABLE, Agreement.UNSURE),
        (Opinion.UNANSWERED, None),
        (Opinion.NOT_ASKED, None),
    ],
)
async def test_a_language_model_has_the_word(
    stage: Stage, opinion: Opinion, agreement: Agreement | None
) -> None:
    """In place of the verifier; when it is down, late or too dear, there is no verdict."""
    verifier, judge = FixedVerifier(), Judge(opinion)

    assert await Comparer((verifier, stage), judge).compare([OLD], [NEW]) is agreement
    assert judge.asked == [(OLD, NEW)]
    assert verifier.asked == []
