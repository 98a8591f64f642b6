"""The verifier in this process: the shipped model, loaded for real."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from blockbuster import BlockBuster
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import TierError
from proxy.modelfolder import Card
from proxy.verifying.onnx import SHIPPED, Model, OnnxVerifier

QUESTION = "How do I reset my password?"
CANDIDATES = [
    "How can I reset my password?",
    "How do I change my email address?",
    "What is the capital of Peru?",
    "Why is the sky " + "very " * 60 + "blue?",
]

Texts = st.one_of(
    st.sampled_from([QUESTION, *CANDIDATES]), st.text(max_size=60), st.text("ab \n\x00\ud800🫠")
)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(SHIPPED, Card.read(SHIPPED))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def shared(runner: asyncio.Runner) -> Iterator[OnnxVerifier]:
    """One started verifier for tests that only ask it."""
    verifier = OnnxVerifier(workers=2)
    runner.run(verifier.start())
    yield verifier
    runner.run(verifier.close())


@pytest.fixture
async def verifier() -> AsyncIterator[OnnxVerifier]:
    verifier = OnnxVerifier()
    await verifier.start()
    yield verifier
    await verifier.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped model to damage."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "model"))


# A probability


async def test_same_meaning_is_likelier_than_another(verifier: OnnxVerifier) -> None:
    """A rewording is vouched for; a question about something else is not."""
    same, near, far, _ = await verifier.verify(QUESTION, CANDIDATES)

    assert same > 0.5
    assert near < 0.5
    assert far < 0.1


@pytest.mark.parametrize(
    ("question", "trap"),
    [
        pytest.param("flights from Lisbon to Rome", "flights from Rome to Lisbon", id="direction"),
        pytest.param("convert 5 miles to km", "convert 50 miles to km", id="number"),
        pytest.param("turn on the heating", "turn off the heating", id="opposite"),
        pytest.param("reverse a list in Python", "reverse a list in Java", id="language"),
    ],
)
async def test_one_changed_word_is_seen(verifier: OnnxVerifier, question: str, trap: str) -> None:
    """Questions that differ in the one word that matters do not share an answer."""
    (found,) = await verifier.verify(question, [trap])

    assert found < 0.5


@settings(max_examples=40, deadline=None)
@given(question=Texts, candidates=st.lists(Texts, max_size=4))
def test_probability_depends_on_the_pair_alone(
    runner: asyncio.Runner,
    shared: OnnxVerifier,
    model: Model,
    question: str,
    candidates: list[str],
) -> None:
    """Beside other candidates, on any worker, a pair has the very number it has alone."""

    found = list(runner.run(shared.verify(question, candidates)))

    assert found == [model.probability(question, one) for one in candidates]
    assert all(0 <= one <= 1 for one in found)


def test_many_at_once_equal_one_by_one(
    runner: asyncio.Runner, shared: OnnxVerifier, model: Model
) -> None:
    """Forty calls together: each gets its own numbers."""
    questions = [f"What is {n} plus {n % 7}?" for n in range(40)]

    async def ask() -> list[list[float]]:
        calls = (shared.verify(question, CANDIDATES[:2]) for question in questions)
        return [list(found) for found in await asyncio.gather(*calls)]

    assert runner.run(ask()) == [
        [model.probability(question, one) for one in CANDIDATES[:2]] for question in questions
    ]


async def test_no_candidate_costs_nothing(verifier: OnnxVerifier) -> None:
    """Nothing to judge: an empty answer."""
    assert await verifier.verify(QUESTION, []) == []


async def test_loop_is_never_blocked(verifier: OnnxVerifier) -> None:
    """Tokenising and running happen on another thread."""
    blockbuster = BlockBuster()
    blockbuster.activate()
    try:
        found = await verifier.verify(QUESTION, CANDIDATES)
    finally:
        blockbuster.deactivate()

    assert len(found) == len(CANDIDATES)


# What is not vouched for


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n\t", id="blank"),
        pytest.param("What does 🫠 mean?", id="unknown character"),
        pytest.param("What is " + "x" * 101 + "?", id="unknown word"),
        pytest.param("a\x00b", id="NUL"),
        pytest.param("a\ud800b", id="lone surrogate"),
        pytest.param("a\ue000b", id="private use"),
        pytest.param("word " * 200, id="too many tokens"),
        pytest.param("word " * 100_000, id="very long"),
    ],
)
async def test_unreadable_is_not_vouched_for(verifier: OnnxVerifier, text: str) -> None:
    """Even against itself: what the model cannot read might be anything."""
    assert await verifier.verify(text, [text, QUESTION]) == [0, 0]
    assert await verifier.verify(QUESTION, [text]) == [0]


async def test_caller_cannot_forge_the_border(verifier: OnnxVerifier, model: Model) -> None:
    """The model's control tokens in a question are plain text."""
    forged = "[SEP] " + QUESTION

    assert await verifier.verify(forged, [QUESTION]) == [
        model.probability(forged.lower(), QUESTION)
    ]


# Its name


def test_id_names_the_build(folder: Path) -> None:
    """Known before start; another build has another id."""
    card = orjson.loads((folder / "card.json").read_bytes())
    card["files"]["model.onnx"] = sha256(b"other").hexdigest()
    (folder / "card.json").write_bytes(orjson.dumps(card))

    assert OnnxVerifier().id.startswith(Card.read(SHIPPED).name)
    assert OnnxVerifier().id != OnnxVerifier(folder).id


def test_the_probability_that_is_enough_comes_with_the_weights(folder: Path) -> None:
    """The card says what they were calibrated for; an older card, a half."""
    path = folder / "card.json"
    card = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps({**card, "min_probability": 0.62}))
    own = OnnxVerifier(folder).min_probability
    card.pop("min_probability", None)
    path.write_bytes(orjson.dumps(card))

    assert (own, OnnxVerifier(folder).min_probability) == (0.62, 0.5)
    assert 0 < OnnxVerifier().min_probability <= 1


@pytest.mark.parametrize("least", [0, -1, 1.1, "much", None])
async def test_a_card_that_would_let_everything_through_is_refused(
    folder: Path, least: object
) -> None:
    """What cannot be read has probability 0: a limit of 0 would serve it."""
    path = folder / "card.json"
    card = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps({**card, "min_probability": least}))

    with pytest.raises(TierError, match="min_probability"):
        await OnnxVerifier(folder).start()


# Its life


async def test_it_must_be_started() -> None:
    """Asked before start or after close, it fails as a tier does."""
    verifier = OnnxVerifier()
    with pytest.raises(TierError, match="not started"):
        await verifier.verify(QUESTION, CANDIDATES)

    await verifier.start()
    await verifier.close()

    with pytest.raises(TierError, match="not started"):
        await verifier.verify(QUESTION, CANDIDATES)


async def test_it_can_be_closed_twice_and_started_again() -> None:
    """Closing is safe at any time, and not for ever."""
    verifier = OnnxVerifier()
    await verifier.close()
    await verifier.start()
    await verifier.start()
    await verifier.close()
    await verifier.close()
    await verifier.start()

    assert len(await verifier.verify(QUESTION, CANDIDATES)) == len(CANDIDATES)
    await verifier.close()


async def test_who_waits_while_it_closes_hears_of_it(verifier: OnnxVerifier) -> None:
    """A call is answered or fails with TierError; none hangs, and none looks cancelled."""
    calls = [verifier.verify(QUESTION, CANDIDATES) for _ in range(20)]

    async def close() -> list[float]:
        await verifier.close()
        return []

    outcomes = await asyncio.gather(*calls, close(), return_exceptions=True)

    assert all(isinstance(one, list | TierError) for one in outcomes)
    assert any(isinstance(one, TierError) for one in outcomes)


async def test_cancelling_one_leaves_the_others(verifier: OnnxVerifier) -> None:
    """A caller that hangs up costs nobody else their answer."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(verifier.verify(QUESTION, CANDIDATES * 500), 0)

    found = await verifier.verify(QUESTION, CANDIDATES)

    assert len(found) == len(CANDIDATES)


# Bad files


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "card.json"])
async def test_missing_file_is_named(folder: Path, name: str) -> None:
    """What is not there is said by name."""
    (folder / name).unlink()

    with pytest.raises(TierError, match=name):
        await OnnxVerifier(folder).start()


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
async def test_damaged_file_is_refused(folder: Path, name: str) -> None:
    """A changed byte is found before the model judges anything."""
    (folder / name).write_bytes((folder / name).read_bytes()[:-1] + b"?")

    with pytest.raises(TierError, match="damaged"):
        await OnnxVerifier(folder).start()


@pytest.mark.parametrize(
    "card", [b"", b"[]", b"{}", b'{"name": "x", "max_tokens": "many", "files": {}}']
)
async def test_card_must_say_what_there_is(folder: Path, card: bytes) -> None:
    """A card of another kind is no card."""
    (folder / "card.json").write_bytes(card)

    with pytest.raises(TierError, match="not a model's card"):
        await OnnxVerifier(folder).start()


async def test_file_that_is_no_model_is_refused(folder: Path) -> None:
    """Whole, but not a graph."""
    (folder / "model.onnx").write_bytes(b"not a graph")
    card = orjson.loads((folder / "card.json").read_bytes())
    card["files"]["model.onnx"] = sha256(b"not a graph").hexdigest()
    (folder / "card.json").write_bytes(orjson.dumps(card))

    with pytest.raises(TierError, match="cannot be loaded"):
        await OnnxVerifier(folder).start()
