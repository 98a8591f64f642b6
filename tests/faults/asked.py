"""What the servers can do that embed and that judge; both are asked in the same way."""

from collections.abc import Callable
from math import nan

from tests.faults.fault import BROKEN, Fault, Step
from tests.faults.models import DIMENSION, Models, Reply, breaks, fails, gives, says
from tests.faults.place import Place

EXACT = frozenset({"session", "shared"})
BY_ITSELF = "a probe finds it well"
LATER = f"{BY_ITSELF}; what was stored meanwhile is given its vectors"


def _models(change: Callable[[Models], None]) -> Step:
    async def step(place: Place) -> None:
        change(place.models)

    return step


def _embeds(reply: Reply) -> Step:
    return _models(lambda models: setattr(models, "embeds", reply))


def _judges(reply: Reply) -> Step:
    return _models(lambda models: setattr(models, "judges", reply))


def _embedder(name: str, begin: Step) -> Fault:
    return Fault(
        name=f"the embedder {name}",
        begin=begin,
        end=_models(Models.recover),
        part="embedder",
        events=BROKEN,
        hits=EXACT,
        recovers=LATER,
    )


def _judge(name: str, begin: Step) -> Fault:
    return Fault(
        name=f"the judge {name}",
        begin=begin,
        end=_models(Models.recover),
        part="judge",
        events=BROKEN,
        hits=EXACT,
        recovers=BY_ITSELF,
    )


EMBEDDER = (
    _embedder("does not answer", _models(lambda models: models.hang("/embeddings"))),
    _embedder("dies", _embeds(breaks)),
    _embedder("answers 500", _embeds(fails(500))),
    _embedder("answers 401", _embeds(fails(401))),
    _embedder("gives NaN", _embeds(gives([nan] * DIMENSION))),
    _embedder("gives zeros", _embeds(gives([0.0] * DIMENSION))),
    _embedder("gives vectors of another length", _embeds(gives([1.0] * (DIMENSION + 1)))),
    _embedder("answers garbage", _embeds(says(b'{"object": "list", "data": [{"embe'))),
)

JUDGE = (
    _judge("does not answer", _models(lambda models: models.hang("/completions"))),
    _judge("dies", _judges(breaks)),
    _judge("answers 500", _judges(fails(500))),
    _judge("answers garbage", _judges(says(b"<html>busy</html>"))),
    _judge("answers nothing", _judges(says(b"{}"))),
)
FAULTS = (*EMBEDDER, *JUDGE)
