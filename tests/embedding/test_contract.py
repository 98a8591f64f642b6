"""The contract of an Embedder; every implementation is a parameter of `make`."""

import asyncio
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from proxy.embedding.memo import MemoEmbedder
from proxy.embedding.onnx import OnnxEmbedder
from proxy.embedding.openai import OpenAiEmbedder
from proxy.errors import TierError
from proxy.ports import Embedder
from tests.support.embeddings import DIMENSION, embeddings_server
from tests.support.servers import free_port

Make = Callable[[], Embedder]

QUESTION = "How do I reset my password?"
OTHERS = [f"How many {thing} are in a dozen?" for thing in ("eggs", "apples", "chairs")]


@pytest.fixture(params=["local", "openai", "remembered"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Builds embedders, not started, that all have one model."""
    if request.param == "local":
        yield OnnxEmbedder
    elif request.param == "remembered":
        yield lambda: MemoEmbedder(OnnxEmbedder(), 10)
    else:
        port = free_port()
        async with embeddings_server(port):
            yield lambda: OpenAiEmbedder(
                base_url=f"http://127.0.0.1:{port}/v1",
                api_key=None,
                model="small",
                dimensions=DIMENSION,
            )


@pytest.fixture
async def embedder(make: Make) -> AsyncIterator[Embedder]:
    built = make()
    await built.start()
    yield built
    await built.close()


async def test_it_is_known_before_it_starts(make: Make) -> None:
    """Id and dimension: an index is built by them, whether the model can be used or not."""
    one, two = make(), make()

    assert one.id == two.id != ""
    assert one.dimension == two.dimension > 0


async def test_a_vector_has_unit_length(embedder: Embedder) -> None:
    """And the dimension that was told, so that a dot product is the cosine."""
    vector = await embedder.embed(QUESTION)

    assert vector is not None
    assert vector.dtype == np.float32
    assert vector.shape == (embedder.dimension,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)


async def test_a_vector_depends_on_its_text_alone(make: Make, embedder: Embedder) -> None:
    """Bit for bit the same from another process, and among others that are embedded at once."""
    alone = await embedder.embed(QUESTION)
    again = make()
    await again.start()
    first, *_ = await asyncio.gather(*map(again.embed, [QUESTION, *OTHERS]))
    await again.close()

    assert alone is not None
    assert first is not None
    assert alone.tobytes() == first.tobytes()


async def test_two_questions_have_two_vectors(embedder: Embedder) -> None:
    """What is told apart by a reader is told apart here."""
    vectors = [await embedder.embed(text) for text in [QUESTION, *OTHERS]]

    assert len({vector.tobytes() for vector in vectors if vector is not None}) == len(vectors)


@pytest.mark.parametrize(
    "text", ["", " \n\t", "word " * 100_000, "\ud800"], ids=["empty", "blank", "long", "surrogate"]
)
async def test_what_cannot_be_read_has_no_vector(embedder: Embedder, text: str) -> None:
    """Empty, blank, far too long or no Unicode: None, and no error."""
    assert await embedder.embed(text) is None


async def test_an_embedder_that_is_not_started_says_so(make: Make) -> None:
    """Before `start` and after `close`, which is always well; `start` may follow again."""
    embedder = make()
    await embedder.close()
    for _ in range(2):
        with pytest.raises(TierError):
            await embedder.embed(QUESTION)
        await embedder.start()
        await embedder.start()
        assert await embedder.embed(QUESTION) is not None

        await embedder.close()
