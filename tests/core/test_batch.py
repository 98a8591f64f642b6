from typing import Any

from proxy.core.admission import Action, Admission
from proxy.core.batch import Batch, understand_batch
from proxy.core.model import Caller, Directives

MAIL = "Write to ann@example.com"


def understood(given: Any, admission: Admission | None = None, **asked: Any) -> Batch:
    return understand_batch(
        {"model": "m", "input": given},
        caller=Caller("t"),
        asked=Directives(**asked),
        admission=admission or Admission(),
        extra={},
    )


def test_each_input_is_admitted_by_itself() -> None:
    """One with personal data is private, and the rest of its batch is not."""
    found = understood(["hello", MAIL])

    assert [item.request.directives.private for item in found.items] == [False, True]
    assert found.bypass is None


def test_a_batch_of_nothing_to_keep_goes_past_the_cache() -> None:
    """By the operator's rules or the caller's wish; with one that may be kept it does not."""
    never = Admission(pii=Action.NEVER)

    assert understood([MAIL, MAIL], never).bypass == "personal data: e-mail address"
    assert understood(["hello", MAIL], never).bypass is None
    assert understood("hello", read=False, write=False).bypass == "no-store"


def test_an_unreadable_batch_goes_past_the_cache() -> None:
    """It has no inputs that could be looked up."""
    assert understood([True]).bypass == "unreadable"


def test_equal_inputs_are_equal_items() -> None:
    """So that the origin is asked for them once."""
    first, second, third = understood(["a", "b", "a"]).items

    assert first.key == third.key != second.key
    assert [one.request.question for one in (first, second)] == ["a", "b"]
