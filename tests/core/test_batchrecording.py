import pytest

from proxy.core.admission import Admission
from proxy.core.batch import understand_batch
from proxy.core.batchrecording import LONG_BYTES, BatchLanding, BatchRecording
from proxy.core.model import Caller, Directives
from proxy.core.recording import SUBSTITUTE, Head

GOOD = b'{"data":[{"index":1,"embedding":[2.0]},{"index":0,"embedding":[1.0]}]}'
ITEMS = understand_batch(
    {"model": "m", "input": ["a", "b"]},
    caller=Caller("t"),
    asked=Directives(),
    admission=Admission(),
    extra={},
).items


def landed(body: bytes, head: Head | None = None, max_bytes: int = 1000) -> BatchLanding:
    recording = BatchRecording(ITEMS, max_bytes)
    if head is not None:
        recording.begin(head)
    for place in range(0, len(body), 7):
        recording.feed(body[place : place + 7])
    return recording.land()


def test_an_answer_for_each_input() -> None:
    """By its key, wherever the origin put it."""
    found = landed(GOOD, Head(200, ()))

    assert found.refusal is None
    assert list(found.answers) == [item.key for item in ITEMS]


@pytest.mark.parametrize(
    ("body", "head", "why"),
    [
        (GOOD, None, "status 0"),
        (GOOD, Head(500, ()), "status 500"),
        (b"{}", Head(200, ()), "not an answer"),
        (GOOD + b" " * 1000, Head(200, ()), "too large"),
    ],
)
def test_what_is_none_says_why(body: bytes, head: Head | None, why: str) -> None:
    """Nothing of it is kept."""
    found = landed(body, head)

    assert (found.refusal, dict(found.answers)) == (why, {})


def test_another_models_answer_is_not_kept() -> None:
    """A fallback gave it: it answers this request, and no other."""
    found = landed(GOOD, Head(200, ((SUBSTITUTE, "other"),)))

    assert found.refusal == "another model's"
    assert len(found.answers) == len(ITEMS)


def test_a_large_answer_is_long_to_read() -> None:
    """So that others need not wait while it is."""
    recording = BatchRecording(ITEMS, 2 * LONG_BYTES)
    recording.feed(bytes(LONG_BYTES))
    before = recording.is_long
    recording.feed(b"x")

    assert (before, recording.is_long) == (False, True)
