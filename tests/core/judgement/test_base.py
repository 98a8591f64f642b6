"""The judge."""

import pytest

from proxy.core.judgement.base import judge, read
from proxy.core.judgement.guards import select
from proxy.core.judgement.verdict import Accept, Doubt, Reject, Verdict


def test_the_same_question_is_accepted_whatever_the_similarity() -> None:
    """Case, spacing and final punctuation make no new question."""
    verdict = judge(read("What is  soap?"), read("what is soap"), 0.1, threshold=0.9)
    assert verdict == Accept("same question")


def test_punctuation_inside_a_word_is_not_ignored() -> None:
    """`C++` and `C` are two languages, `-5` and `5` two numbers."""
    assert read("Learn C++").plain != read("Learn C").plain
    assert read("Is -5 cold?").plain != read("Is 5 cold?").plain


@pytest.mark.parametrize("similarity", [0.812, float("nan")])
def test_below_the_threshold_is_rejected_with_both_numbers(similarity: float) -> None:
    """The reason says how far it was; a similarity that is no number is no match."""
    verdict = judge(read("What is soap?"), read("What is tea?"), similarity, threshold=0.86)
    assert verdict == Reject(f"similarity {similarity:.3f} < 0.860")


def test_a_veto_is_the_reason() -> None:
    """A trap above the threshold is rejected for what differs."""
    verdict = judge(read("Add 5 eggs"), read("Add 7 eggs"), 0.99, threshold=0.86)
    assert verdict == Reject("number 5 != 7", "number")


def test_only_the_guards_given_are_asked() -> None:
    """A guard that the configuration leaves out does not veto."""
    new, old = read("Add 5 eggs"), read("Add 7 eggs")
    verdict = judge(new, old, 0.99, threshold=0.86, guards=select(["unit"]))
    assert verdict == Accept("similarity 0.990 >= 0.860")


def test_a_rewording_is_accepted() -> None:
    """What the cache is for."""
    verdict = judge(
        read("How do I reset my password?"),
        read("How can I reset a password?"),
        0.9,
        threshold=0.86,
    )
    assert isinstance(verdict, Accept)


def test_what_passes_is_in_doubt_where_something_verifies() -> None:
    """Similarity and guards only reject then; the same text needs no second look."""

    def verdict(new: str, old: str, similarity: float) -> Verdict:
        return judge(read(new), read(old), similarity, threshold=0.7, is_verified=True)

    assert verdict("Is soap safe?", "is soap safe", 0.1) == Accept("same question")
    assert verdict("Is soap safe?", "Is soap harmless?", 0.9) == Doubt("similarity 0.900 >= 0.700")
    assert verdict("Is soap safe?", "Is soap harmless?", 0.6) == Reject("similarity 0.600 < 0.700")
    assert verdict("Add 5 eggs", "Add 7 eggs", 0.9) == Reject("number 5 != 7", "number")
