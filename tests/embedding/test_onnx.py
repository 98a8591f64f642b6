"""The embedder in this process: the shipped model, loaded for real."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import orjson
import pytest
from blockbuster import BlockBuster
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.model import Vector
from proxy.embedding.onnx import MINILM, Model, OnnxEmbedder
from proxy.errors import BusyError, TierError
from proxy.modelfolder import Card
from proxy.threads import Patience

QUESTIONS = [
    "How do I reset my password?",
    "What is the capital of Peru?",
    "Why is the sky blue?",
    "Translate 'good morning' into French.",
    "How many of the " + "very " * 40 + "long questions change the scale of a batch?",
]

Texts = st.lists(
    st.one_of(st.sampled_from(QUESTIONS), st.text(max_size=60), st.text("ab \n\x00\ud800🫠")),
    max_size=6,
)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(MINILM, Card.read(MINILM))


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def shared(runner: asyncio.Runner) -> Iterator[OnnxEmbedder]:
    """One started embedder for tests that only ask it."""
    embedder = OnnxEmbedder(workers=2)
    runner.run(embedder.start())
    yield embedder
    runner.run(embedder.close())


@pytest.fixture
async def embedder() -> AsyncIterator[OnnxEmbedder]:
    embedder = OnnxEmbedder()
    await embedder.start()
    yield embedder
    await embedder.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped model to damage."""
    return Path(shutil.copytree(MINILM, tmp_path / "model"))


def together(runner: asyncio.Runner, embedder: OnnxEmbedder, texts: list[str]) -> list[Vector]:
    async def ask() -> list[Vector | None]:
        return list(await asyncio.gather(*map(embedder.embed, texts)))

    return [vector for vector in runner.run(ask()) if vector is not None]


def same(left: Vector | None, right: Vector | None) -> bool:
    if left is None or right is None:
        return left is right
    return left.tobytes() == right.tobytes()


# A vector


async def test_vector_is_a_unit_vector_nobody_can_change(embedder: OnnxEmbedder) -> None:
    """A vector has the promised shape, type and length, and is read-only."""
    vector = await embedder.embed(QUESTIONS[0])

    assert vector is not None
    assert (embedder.dimension,) == (384,) == vector.shape
    assert np.float32 == vector.dtype
    assert pytest.approx(1, abs=1e-5) == float(np.linalg.norm(vector))
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 1


def test_meaning_shows_in_the_cosine(runner: asyncio.Runner, shared: OnnxEmbedder) -> None:
    """A rewording is near, another subject is far."""
    asked, reworded, other = together(
        runner,
        shared,
        ["How do I reset my password?", "How can I reset my password?", "Why is the sky blue?"],
    )

    assert float(asked @ reworded) > 0.9
    assert float(asked @ other) < 0.3


@settings(max_examples=60, deadline=None)
@given(texts=Texts)
def test_vector_depends_on_its_text_alone(
    runner: asyncio.Runner, shared: OnnxEmbedder, model: Model, texts: list[str]
) -> None:
    """Embedded among others, on any worker, a text has the very bits it has alone."""

    async def ask() -> list[Vector | None]:
        return list(await asyncio.gather(*map(shared.embed, texts)))

    for text, found in zip(texts, runner.run(ask()), strict=True):
        alone = model.vector(text) if model.may_read(text) else None

        assert same(alone, found)


def test_many_at_once_equal_one_by_one(
    runner: asyncio.Runner, shared: OnnxEmbedder, model: Model
) -> None:
    """Two hundred texts of many lengths at once: the bits each has alone."""
    texts = [f"{QUESTIONS[i % 4]} {'and ' * (i % 50)}{i}" for i in range(200)]

    found = together(runner, shared, texts)

    assert len(found) == 200
    assert all(same(model.vector(text), one) for text, one in zip(texts, found, strict=True))


def test_equal_texts_that_wait_together_are_embedded_once(
    runner: asyncio.Runner, shared: OnnxEmbedder
) -> None:
    """Everybody who asked for the text holds the same object."""
    found = together(runner, shared, [QUESTIONS[0]] * 20)

    assert len(found) == 20
    assert all(vector is found[0] for vector in found)


# What has no vector


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n\t\u00a0", id="blank"),
        pytest.param("\u200b\ufeff", id="invisible"),
        pytest.param("What does 🫠 mean?", id="unknown character"),
        pytest.param("What is " + "x" * 101 + "?", id="unknown word"),
        pytest.param("a\x00b", id="NUL"),
        pytest.param("a\ud800b", id="lone surrogate"),
        pytest.param("a\ufffdb", id="replacement character"),
        pytest.param("a\ue000b", id="private use"),
        pytest.param("word " * 100_000, id="very long"),
        pytest.param("x" * 4000, id="one long word"),
    ],
)
def test_unreadable_text_has_no_vector(
    runner: asyncio.Runner, shared: OnnxEmbedder, text: str
) -> None:
    """What the model cannot read would look equal to something else: None, and no error."""
    assert runner.run(shared.embed(text)) is None


def test_longest_text_is_read_and_one_more_token_is_not(
    runner: asyncio.Runner, shared: OnnxEmbedder
) -> None:
    """256 tokens with the two special ones have a vector; 257 are not cut, they have none."""
    assert runner.run(shared.embed("word " * 254)) is not None
    assert runner.run(shared.embed("word " * 255)) is None


def test_special_tokens_of_a_caller_are_text(runner: asyncio.Runner, shared: OnnxEmbedder) -> None:
    """A prompt cannot smuggle in the model's own control tokens."""
    written, spelled = together(runner, shared, ["[SEP] is it?", "[sep] is it?"])

    assert same(written, spelled)


def test_whitespace_does_not_matter(runner: asyncio.Runner, shared: OnnxEmbedder) -> None:
    """Runs of whitespace say nothing to the model."""
    plain, spaced = together(runner, shared, ["Why is it blue?", "  Why \n\n is\tit  blue? "])

    assert same(plain, spaced)


# Its name


def test_id_is_known_before_start() -> None:
    """An index can be built for the embedder before its model is loaded."""
    name, _, build = OnnxEmbedder().id.rpartition("-")

    assert name == "minilm-l6-v2-int8"
    assert len(build) == 8


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_another_build_has_another_id(file: str) -> None:
    """Other weights or another tokenizer: vectors that must not meet ours."""
    card = Card.read(MINILM)
    other = replace(card, files={**card.files, file: "0" * 64})

    assert card.id != other.id


# Start and close


async def test_missing_folder_fails_start_and_a_later_start_succeeds(tmp_path: Path) -> None:
    """A model that comes late is taken up by the next start."""
    embedder = OnnxEmbedder(tmp_path / "model")

    with pytest.raises(TierError, match=r"card\.json"):
        await embedder.start()
    with pytest.raises(TierError, match=r"card\.json"):
        _ = embedder.id
    with pytest.raises(TierError, match="not started"):
        await embedder.embed("hello")

    await asyncio.to_thread(shutil.copytree, MINILM, tmp_path / "model")
    await embedder.start()

    assert await embedder.embed("hello") is not None
    await embedder.close()


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
async def test_damaged_file_fails_start_until_it_is_mended(folder: Path, file: str) -> None:
    """One flipped bit is found before any vector is made with it."""
    whole = (folder / file).read_bytes()
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    embedder = OnnxEmbedder(folder)

    (folder / file).write_bytes(damaged)
    with pytest.raises(TierError, match=file):
        await embedder.start()
    (folder / file).unlink()
    with pytest.raises(TierError, match="No such file"):
        await embedder.start()
    (folder / file).write_bytes(whole)
    await embedder.start()

    assert await embedder.embed("hello") is not None
    await embedder.close()


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
async def test_file_that_is_no_model_fails_start(folder: Path, file: str) -> None:
    """A card that vouches for rubbish does not make it a model."""
    card = orjson.loads((folder / "card.json").read_bytes())
    card["files"][file] = sha256(b"rubbish").hexdigest()
    (folder / "card.json").write_bytes(orjson.dumps(card))
    (folder / file).write_bytes(b"rubbish")

    with pytest.raises(TierError, match="cannot be loaded"):
        await OnnxEmbedder(folder).start()


@pytest.mark.parametrize(
    "card", [b"", b"[]", b"{}", b"\xff", b'{"name":"x","dimension":"y","max_tokens":1,"files":{}}']
)
async def test_broken_card_fails_start(folder: Path, card: bytes) -> None:
    """Whatever stands in the card, the error is the tier's."""
    (folder / "card.json").write_bytes(card)

    with pytest.raises(TierError, match="not a model's card"):
        await OnnxEmbedder(folder).start()


async def test_wrong_dimension_fails_start(folder: Path) -> None:
    """Start makes one vector, so a card that lies about its length is found."""
    card = orjson.loads((folder / "card.json").read_bytes())
    (folder / "card.json").write_bytes(orjson.dumps({**card, "dimension": 512}))
    embedder = OnnxEmbedder(folder)

    with pytest.raises(TierError, match="shape"):
        await embedder.start()
    await embedder.close()


async def test_close_fails_who_waits_and_start_may_follow(embedder: OnnxEmbedder) -> None:
    """No waiter hangs after close; the embedder can be used again."""
    asked = asyncio.gather(
        *(embedder.embed(f"{QUESTIONS[4]} {i}") for i in range(50)), return_exceptions=True
    )
    await asyncio.sleep(0)
    await embedder.close()
    outcomes = await asyncio.wait_for(asked, 30)

    assert len(outcomes) == 50
    assert any(isinstance(outcome, TierError) for outcome in outcomes)
    assert all(isinstance(outcome, np.ndarray | TierError) for outcome in outcomes)
    with pytest.raises(TierError, match="not started"):
        await embedder.embed("hello")

    await embedder.start()

    assert await embedder.embed("hello") is not None


async def test_close_without_start_and_twice() -> None:
    """Closing what is not open does nothing."""
    embedder = OnnxEmbedder()

    await embedder.close()
    await embedder.close()


async def test_start_twice_loads_once(embedder: OnnxEmbedder) -> None:
    """A second start proves the model and keeps it."""
    loaded = embedder._model

    await asyncio.gather(embedder.start(), embedder.start())

    assert loaded is embedder._model


# Waiting


async def test_cancelled_waiter_takes_nobody_along(embedder: OnnxEmbedder) -> None:
    """Two wait for the same text; one gives up, the other gets its vector."""
    text = QUESTIONS[4]
    async with asyncio.TaskGroup() as group:
        group.create_task(embedder.embed("the worker is busy with this one"))
        first = group.create_task(embedder.embed(text))
        second = group.create_task(embedder.embed(text))
        await asyncio.sleep(0)
        first.cancel()

    assert first.cancelled()
    assert second.result() is not None


async def test_text_nobody_waits_for_is_not_run(embedder: OnnxEmbedder) -> None:
    """Prompts given up in the queue cost nothing, and leave nothing behind."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(embedder.embed(f"{QUESTIONS[4]} {i}")) for i in range(50)]
        await asyncio.sleep(0)
        waiting = [job.run for job in embedder._jobs.values()]
        for task in tasks:
            task.cancel()
    await embedder.embed("the last in the queue")

    assert not embedder._jobs
    # What had begun when the rest were given up.
    assert sum(run.has_begun for run in waiting) <= 5


async def test_given_up_and_asked_again_at_once(embedder: OnnxEmbedder) -> None:
    """A text whose only waiter left is embedded for the next one."""
    async with asyncio.TaskGroup() as group:
        first = group.create_task(embedder.embed(QUESTIONS[0]))
        await asyncio.sleep(0)
        first.cancel()
        second = group.create_task(embedder.embed(QUESTIONS[0]))

    assert second.result() is not None


async def test_text_that_would_wait_too_long_is_not_embedded() -> None:
    """It is refused at once, before it is tokenised; texts asked for before are in time."""
    patience = Patience()
    embedder = OnnxEmbedder(patience=patience)
    await embedder.start()
    patience.seconds = 0
    first = asyncio.gather(embedder.embed("and " * 200), return_exceptions=True)
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await embedder.embed(QUESTIONS[1])
    [vector] = await first
    later = await embedder.embed(QUESTIONS[1])
    await embedder.close()

    assert isinstance(vector, np.ndarray)
    assert later is not None


async def test_loop_turns_while_the_model_runs(embedder: OnnxEmbedder) -> None:
    """Tokenising and running happen elsewhere: the loop goes round many times for each text."""
    turns = 0
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(embedder.embed(f"{QUESTIONS[4]} {i}")) for i in range(10)]
        while not all(task.done() for task in tasks):
            turns += 1
            await asyncio.sleep(0)

    assert turns > 50


async def test_nothing_blocks_the_loop() -> None:
    """Files are read and threads are joined off the loop."""
    blockbuster = BlockBuster()
    blockbuster.activate()
    try:
        embedder = OnnxEmbedder()
        await embedder.start()
        found = await embedder.embed(QUESTIONS[0])
        await embedder.close()
    finally:
        blockbuster.deactivate()

    assert found is not None
