"""What is remembered for feedback, and how much of it."""

from dataclasses import replace

from proxy.core.labels import MARKS, Mark, pair_of
from proxy.core.lookup import Hit, Seen
from proxy.core.model import Tier
from proxy.marking import HITS, Hits, Marks
from proxy.ports import LabelStore
from tests.core.builders import entry, request
from tests.support.ports import Heard
from tests.test_learning import Labels


def hit(name: str = "e", tier: Tier = Tier.VECTOR) -> Hit:
    return Hit(Seen(request()), entry(id=name), tier, is_stale=False, similarity=0.9)


def marks(store: LabelStore | None = None) -> Marks:
    return Marks(store or Labels(), clock=lambda: 1.0, observer=Heard())


def test_a_hit_is_found_by_its_request_and_by_its_entry() -> None:
    """By its own tenant alone; of several on an entry, the newest."""
    hits = Hits()
    hits.remember("first", request(), hit("e", Tier.SHARED))
    hits.remember("second", request(), hit("e"))
    found = hits.of_entry("t", "e")

    assert found is not None
    assert (found.tier, found.score) == (Tier.VECTOR, 0.9)
    assert hits.of_request("t", "first") is not None
    assert hits.of_request("other", "first") is None
    assert hits.of_entry("other", "e") is None


def test_an_exact_repeat_has_no_pair() -> None:
    """There is no match that could have been wrong."""
    hits = Hits()
    hits.remember("r", request(), hit(tier=Tier.SESSION))
    found = hits.of_request("t", "r")

    assert found is not None
    assert (found.pair, found.entry) == ("", "e")


def test_a_hit_is_judged_once() -> None:
    """It has no score to learn from any more; the match can still be forbidden."""
    hits = Hits()
    hits.remember("r", request(), hit("e"))
    found = hits.of_request("t", "r")
    assert found is not None
    hits.judged(found)
    again = hits.of_entry("t", "e")

    assert again == replace(found, score=None)
    assert again.pair


def test_the_oldest_hits_are_forgotten() -> None:
    """And one without an id is not remembered at all."""
    hits = Hits()
    hits.remember("", request(), hit("nameless"))
    for number in range(HITS + 1):
        hits.remember(str(number), request(), hit())

    assert hits.of_entry("t", "nameless") is None
    assert hits.of_request("t", "0") is None
    assert hits.of_request("t", "1") is not None


def test_a_pair_is_forbidden_in_its_scope() -> None:
    """In either order, whatever case and punctuation; and in no other scope."""
    known = marks()
    known.recall([Mark("s", pair_of("s", "Boil an egg?", "Fry an egg?"), 1.0)])

    assert known.forbids("s", "fry an egg", "BOIL AN EGG")
    assert not known.forbids("s", "Boil an egg?", "Poach an egg?")
    assert not known.forbids("other", "Boil an egg?", "Fry an egg?")


def test_the_oldest_marks_are_forgotten() -> None:
    """With the scope that had no other."""
    known = marks()
    first = Mark("old", pair_of("old", "a", "b"), 1.0)
    known.recall([first])
    known.recall(replace(first, scope="s", pair=str(number)) for number in range(MARKS))

    assert not known.forbids("old", "a", "b")


def test_a_mark_made_anew_is_new() -> None:
    """It is kept as long as the newest."""
    known = marks()
    first = Mark("s", pair_of("s", "a", "b"), 1.0)
    known.recall([first, replace(first, pair="x"), first])
    known.recall(replace(first, pair=str(number)) for number in range(MARKS - 1))

    assert known.forbids("s", "a", "b")
