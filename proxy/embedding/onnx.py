"""A model in this process, run by ONNX Runtime away from the event loop.

Rules of the file:

- One text, one run. Dynamic int8 takes its scales from all that runs together, so the same text
  in two batches would have two vectors.
- Nothing is tokenised or hashed on the loop.
- Two different texts that the tokenizer makes equal would answer each other, at a similarity of 1.
  So a text with a word the model does not know, or with characters the tokenizer drops, is not
  embedded, just as one that is too long is not.
"""

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from proxy.core.model import Vector
from proxy.errors import TierError
from proxy.modelfolder import Card, load, says_something_else
from proxy.threads import Patience, Threads

MINILM: Final = Path(__file__).parent.parent / "models" / "minilm"
"""all-MiniLM-L6-v2, int8, 384 dimensions: comes with the program."""

TOLERANCE: Final = 1e-3
"""How far from 1 a length may be: float32 over a few hundred numbers errs by far less."""

PROBE: Final = "Are you there?"


class Model:
    """A loaded model: tokenizer and session. Used by worker threads, several at a time.

    Args:
        folder: Holds card, weights and tokenizer.
        card: The folder's card.
        threads: Of one run.

    Raises:
        TierError: The files are missing, damaged, or no model that this runtime can run.
    """

    def __init__(self, folder: Path, card: Card, threads: int = 1) -> None:
        loaded = load(folder, card, threads)
        self._session, self._tokenizer, self._unknown = (
            loaded.session,
            loaded.tokenizer,
            loaded.unknown,
        )
        self._card = card
        self._dimension = dimension_of(card)
        self._special_tokens = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        longest = max(map(len, self._tokenizer.get_vocab()))
        self._max_chars = card.max_tokens * (longest + 1)

    def may_read(self, text: str) -> bool:
        """Whether it is worth tokenising. Cheap: safe to ask on the event loop.

        No word is longer than the vocabulary's longest, and one space parts two: a text of more
        characters than that allows is too long, or pads what it says. So a prompt of a megabyte
        keeps no worker busy.
        """
        return len(text) <= self._max_chars and not says_something_else(text)

    def vector(self, text: str) -> Vector | None:
        """Run one text that `may_read`. Raises TierError when the runtime fails."""
        ids = self._tokenizer.encode(text).ids
        is_whole = self._special_tokens < len(ids) <= self._card.max_tokens
        if not is_whole or self._unknown in ids:
            return None
        feed = np.array([ids], np.int64)
        try:
            (found,) = self._session.run(
                None, {"input_ids": feed, "attention_mask": np.ones_like(feed)}
            )
        except Exception as error:  # the runtime raises classes of its own, and bare ones
            raise TierError(f"{self._card.name}: {error}") from error
        return self._checked(np.asarray(found))

    def _checked(self, found: npt.NDArray[Any]) -> Vector:
        if found.shape != (1, self._dimension) or found.dtype != np.float32:
            raise TierError(f"{self._card.name}: gave {found.dtype} of shape {found.shape}")
        vector: Vector = found[0]
        # Written so that a NaN fails it too.
        if not abs(math.sqrt(np.dot(vector, vector)) - 1) < TOLERANCE:
            raise TierError(f"{self._card.name}: gave a vector that is not of unit length")
        vector.flags.writeable = False
        return vector


def dimension_of(card: Card) -> int:
    """Length of the model's vectors. Raises TierError when the card does not say."""
    return int(card.number("dimension"))


class _Run:
    """One text's run, in a thread."""

    def __init__(self, model: Model, text: str) -> None:
        self._model = model
        self.text = text
        self.has_begun = False

    def __call__(self) -> Vector | None:
        self.has_begun = True
        try:
            return self._model.vector(self.text)
        except TierError:
            raise
        except Exception as error:  # tokenizers raise classes of their own
            raise TierError(f"embedding failed: {error!r}") from error


@dataclass(slots=True, eq=False)
class _Job:
    """A text to embed, and how many wait for it."""

    run: _Run
    vector: "asyncio.Future[Vector | None]"
    waiters: int = 0


class OnnxEmbedder:
    """`ports.Embedder` for a folder with `model.onnx`, `tokenizer.json` and `card.json`.

    The graph takes `input_ids` and `attention_mask`, int64 of shape (1, tokens), and gives one
    float32 vector of unit length, shape (1, dimension). `id` and `dimension` are read from the
    card, also before `start`.

    Args:
        folder: The model.
        threads: Of one run. Two make the slowest runs slower when cores are busy.
        workers: Texts run at once. Each takes a core while it runs.
        patience: How long a text may have to wait for others.
    """

    def __init__(
        self,
        folder: Path = MINILM,
        *,
        threads: int = 1,
        workers: int = 1,
        patience: Patience | None = None,
    ) -> None:
        self._folder = folder
        self._patience = patience
        self._threads = threads
        self._workers = workers
        self._card: Card | None = None
        self._model: Model | None = None
        self._running: Threads | None = None
        self._starting = asyncio.Lock()
        self._jobs: dict[str, _Job] = {}

    @property
    def id(self) -> str:
        """Name, quantisation and digest. Raises TierError when the card cannot be read."""
        return self._known().id

    @property
    def dimension(self) -> int:
        """Length of a vector. Raises TierError when the card cannot be read."""
        return dimension_of(self._known())

    def _known(self) -> Card:
        if self._card is None:
            self._card = Card.read(self._folder)
        return self._card

    async def start(self) -> None:
        """Load and check the files, then prove them by one run. A loaded model is only proved."""
        async with self._starting:
            if self._model is None:
                model = await asyncio.to_thread(self._load)
                self._running = Threads("embedder", self._workers, patience=self._patience)
                self._model = model
                await self.embed(PROBE)  # finds all cold; the next says what a run takes
            await self.embed(PROBE)

    def _load(self) -> Model:
        return Model(self._folder, self._known(), self._threads)

    async def close(self) -> None:
        """Let what runs end, fail who waits, and end the threads. `start` may follow."""
        async with self._starting:
            threads, self._running, self._model = self._running, None, None
            if threads is not None:
                await threads.close(drop=True)

    async def embed(self, text: str) -> Vector | None:
        """The text's vector; None when the model cannot read it whole, or not for what it is.

        Raises:
            BusyError: It would have to wait too long for others.
            TierError: Not started, closing, or the runtime failed.
        """
        model, threads = self._model, self._running
        if model is None or threads is None:
            raise TierError("the embedder is not started")
        if not model.may_read(text):
            return None
        job = self._jobs.get(text) or self._begin(model, threads, text)
        job.waiters += 1
        try:
            # Shielded: the future belongs to all who wait for this text.
            return await asyncio.shield(job.vector)
        except asyncio.CancelledError:
            if job.vector.cancelled():  # and not who waits
                raise TierError("the embedder is closing") from None
            raise
        finally:
            job.waiters -= 1
            # A run that has begun is finished: whoever asks next may still want it.
            if not job.waiters and not job.run.has_begun:
                job.vector.cancel()
                self._forget(job)

    def _begin(self, model: Model, threads: Threads, text: str) -> _Job:
        run = _Run(model, text)
        job = self._jobs[text] = _Job(run, threads.run(run, size=1 + len(text)))
        job.vector.add_done_callback(lambda _: self._ended(job))
        return job

    def _ended(self, job: _Job) -> None:
        self._forget(job)
        if not job.vector.cancelled():
            job.vector.exception()  # read, so that one nobody waits for is not reported as lost

    def _forget(self, job: _Job) -> None:
        if self._jobs.get(job.run.text) is job:
            del self._jobs[job.run.text]
