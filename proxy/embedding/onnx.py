"""A model in this process, run by ONNX Runtime away from the event loop.

Rules of the file:

- One text, one run. Dynamic int8 takes its scales from all that runs together, so the same text
  in two batches would have two vectors. What concurrent prompts share is the hop to a thread: a
  worker runs texts one after another until none waits, and hands out each vector as it is made.
- Nothing is tokenised or hashed on the loop.
- Two different texts that the tokenizer makes equal would answer each other, at a similarity of 1.
  So a text with a word the model does not know, or with characters the tokenizer drops, is not
  embedded, just as one that is too long is not.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from proxy.core.model import Vector
from proxy.errors import TierError
from proxy.modelfolder import Card, load, says_something_else

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
        if not abs(float(np.linalg.norm(vector)) - 1) < TOLERANCE:
            raise TierError(f"{self._card.name}: gave a vector that is not of unit length")
        vector.flags.writeable = False
        return vector


def dimension_of(card: Card) -> int:
    """Length of the model's vectors. Raises TierError when the card does not say."""
    return int(card.number("dimension"))


@dataclass(slots=True, eq=False)
class _Job:
    """One text to embed, and how many wait for it. Its flags are shared with a worker."""

    text: str
    future: "asyncio.Future[Vector | None]"
    waiters: int = 0
    is_running: bool = False


class OnnxEmbedder:
    """`ports.Embedder` for a folder with `model.onnx`, `tokenizer.json` and `card.json`.

    The graph takes `input_ids` and `attention_mask`, int64 of shape (1, tokens), and gives one
    float32 vector of unit length, shape (1, dimension). `id` and `dimension` are read from the
    card, also before `start`.

    Args:
        folder: The model.
        threads: Of one run. Two make the slowest runs slower when cores are busy.
        workers: Texts run at once. Each takes a core while it runs.
    """

    def __init__(self, folder: Path = MINILM, *, threads: int = 1, workers: int = 1) -> None:
        self._folder = folder
        self._threads = threads
        self._workers = workers
        self._card: Card | None = None
        self._model: Model | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._starting = asyncio.Lock()
        self._jobs: dict[str, _Job] = {}
        self._queue: deque[_Job] = deque()
        self._idle = workers

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
                self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="embedder")
                self._model = model
            await self.embed(PROBE)

    def _load(self) -> Model:
        return Model(self._folder, self._known(), self._threads)

    async def close(self) -> None:
        """Fail who waits, and end the threads. `start` may follow."""
        async with self._starting:
            pool, self._pool, self._model = self._pool, None, None
            for job in self._jobs.values():
                _settle(job, TierError("the embedder is closing"))
            self._jobs.clear()
            self._queue.clear()
            if pool is not None:
                await asyncio.to_thread(pool.shutdown)

    async def embed(self, text: str) -> Vector | None:
        """The text's vector; None when the model cannot read it whole, or not for what it is.

        Raises:
            TierError: Not started, closing, or the runtime failed.
        """
        if self._model is None:
            raise TierError("the embedder is not started")
        if not self._model.may_read(text):
            return None
        job = self._job(text)
        job.waiters += 1
        try:
            # Shielded: the future belongs to all who wait for this text.
            return await asyncio.shield(job.future)
        finally:
            job.waiters -= 1
            # A run that has begun is finished: whoever asks next may still want it.
            if not job.waiters and not job.is_running:
                self._forget(job)

    def _job(self, text: str) -> _Job:
        """The job of this text: one that waits or runs already, else a new one in the queue."""
        job = self._jobs.get(text)
        if job is None:
            job = _Job(text, asyncio.get_running_loop().create_future())
            self._jobs[text] = job
            self._queue.append(job)
            # At the loop's next turn: the worker must see the waiter that is being added.
            asyncio.get_running_loop().call_soon(self._hop)
        return job

    def _forget(self, job: _Job) -> None:
        if self._jobs.get(job.text) is job:
            del self._jobs[job.text]

    def _hop(self) -> None:
        """Send a worker to the queue, if one is idle and something waits."""
        if self._pool is None or self._model is None or not self._idle or not self._queue:
            return
        self._idle -= 1
        loop = asyncio.get_running_loop()
        hop = loop.run_in_executor(self._pool, self._drain, self._model, loop)
        hop.add_done_callback(self._hopped)

    def _hopped(self, _: "asyncio.Future[None]") -> None:
        # A job queued after the worker had looked, but before this ran, saw no idle worker.
        self._idle += 1
        self._hop()

    def _drain(self, model: Model, loop: asyncio.AbstractEventLoop) -> None:
        """Run what waits until nothing does. In a worker thread."""
        while True:
            try:
                job = self._queue.popleft()
            except IndexError:
                return
            # Who has no waiter has left `_jobs`, so nobody can join it any more.
            if job.waiters:
                job.is_running = True
                loop.call_soon_threadsafe(self._deliver, job, _run(model, job.text))

    def _deliver(self, job: _Job, outcome: Vector | TierError | None) -> None:
        self._forget(job)
        _settle(job, outcome)


def _run(model: Model, text: str) -> Vector | TierError | None:
    try:
        return model.vector(text)
    except TierError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a worker that dies would leave its waiters waiting
        return TierError(f"embedding failed: {error!r}")


def _settle(job: _Job, outcome: Vector | TierError | None) -> None:
    if job.future.done():
        return
    if isinstance(outcome, TierError):
        job.future.set_exception(outcome)
        job.future.exception()  # read here, so that one nobody waits for is not reported as lost
    else:
        job.future.set_result(outcome)
