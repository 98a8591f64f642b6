"""Which embedder's vectors entries shall have, while proxies change from one to another."""

from proxy.core.reembedding import FORGOTTEN_S, InUse, Standing, announced, dumps, loads, standing


class Story:
    """What proxies say, one after the other, each with its embedder."""

    def __init__(self) -> None:
        self.known: tuple[InUse, ...] = ()

    def says(self, embedder: str, at: float, *, has_all: bool = False) -> Standing:
        self.known = announced(loads(dumps(self.known)), embedder, at, has_all=has_all)
        return standing(self.known, embedder)


CHOSEN = Standing(is_chosen=True, has_all=False, is_alone=True)
DONE = Standing(is_chosen=True, has_all=True, is_alone=True)


def test_a_proxy_alone_is_chosen_and_stays_so() -> None:
    """What it has finished stays finished over any pause, for nobody else was there."""
    story = Story()

    assert story.says("a", 0) == CHOSEN
    assert story.says("a", 10, has_all=True) == DONE
    assert story.says("a", 1_000_000) == DONE


def test_the_last_to_come_into_use_is_chosen() -> None:
    """Not the one that started last: an old proxy that restarts turns nothing back."""
    story = Story()
    story.says("old", 0, has_all=True)

    assert story.says("new", 100) == Standing(is_chosen=True, has_all=False, is_alone=False)
    assert not story.says("old", 110).is_chosen
    assert not story.says("old", 120, has_all=True).is_chosen
    assert story.says("new", 130).is_chosen


def test_the_old_one_is_forgotten_once_it_is_silent() -> None:
    """Then nothing more will be stored with its vectors, and the work can be finished."""
    story = Story()
    story.says("old", 0)
    story.says("new", 100)

    assert not story.says("new", FORGOTTEN_S).is_alone
    assert story.says("new", FORGOTTEN_S + 1) == CHOSEN
    assert story.says("new", FORGOTTEN_S + 2, has_all=True) == DONE


def test_a_step_back_is_followed() -> None:
    """After a pause, or with proxies that had never gone: the work begins anew for them."""
    returning, staying = Story(), Story()
    for story, last_word in ((returning, 0), (staying, 999)):
        story.says("old", last_word, has_all=True)
        story.says("new", 1000)
        story.says("new", 1001, has_all=True)

    assert returning.says("old", 1100) == Standing(is_chosen=True, has_all=False, is_alone=False)
    assert not returning.says("new", 1101).is_chosen
    assert not staying.says("old", 1200).is_chosen
    assert staying.says("old", 1002 + FORGOTTEN_S) == CHOSEN


def test_an_unreadable_record_is_none() -> None:
    """One that another version wrote otherwise costs a look at every entry, no more."""
    assert loads(b'{"a": 1}') == loads(b"x") == loads(None) == ()
