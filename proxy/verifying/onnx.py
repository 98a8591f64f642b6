"""The verifier in this process, run by ONNX Runtime away from the event loop.

Rules of the file:

- One pair, one run. Dynamic int8 takes its scales from all that runs together, so a pair's
  probability would depend on the other candidates.
- Nothing is tokenised or hashed on the loop.
- What cannot be read whole, or not for what it is, is not vouched for: probability 0. A text cut
  short, or one whose unknown words are all one token, looks equal to texts that it is not.
"""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from proxy.errors import TierError
from proxy.modelfolder import Card, load, says_something_else
from proxy.threads import Patience, Threads

SHIPPED: Final = Path(__file__).parent.parent / "models" / "verifier"
"""Made from MiniLM by `training/verifier`: comes with the program."""

MAX_CHARS: Final = 2000
"""Longer texts are not tokenised: no pair of them fits the model."""

MIN_PROBABILITY: Final = 0.5
"""Enough for a build whose card names no number of its own."""

UNREAD: Final = 0.0
"""The probability of a pair that the model cannot read."""

PROBE: Final = "Are you there?"


class Model:
    """A loaded verifier: tokenizer and session. Used by worker threads, several at a time.

    Args:
        folder: Holds card, weights and tokenizer.
        card: The folder's card.

    Raises:
        TierError: The files are missing, damaged, or no model that this runtime can run.
    """

    def __init__(self, folder: Path, card: Card) -> None:
        loaded = load(folder, card)
        self._session, self._tokenizer, self._unknown = (
            loaded.session,
            loaded.tokenizer,
            loaded.unknown,
        )
        self._card = card

    def probability(self, question: str, candidate: str) -> float:
        """Run one pair; `UNREAD` when it cannot be read. Raises TierError when the run fails."""
        if not (_may_read(question) and _may_read(candidate)):
            return UNREAD
        pair = self._tokenizer.encode(question, candidate)
        if len(pair.ids) > self._card.max_tokens or self._unknown in pair.ids:
            return UNREAD
        feed = {
            "input_ids": np.array([pair.ids], np.int64),
            "token_type_ids": np.array([pair.type_ids], np.int64),
        }
        try:
            (found,) = self._session.run(None, feed)
        except Exception as error:  # the runtime raises classes of its own, and bare ones
            raise TierError(f"{self._card.name}: {error}") from error
        return self._checked(found)

    def _checked(self, found: Any) -> float:  # noqa: ANN401 - a file decides what comes out
        value = np.asarray(found)
        # Written so that a NaN fails it too.
        if value.shape != (1, 1) or not 0 <= value.item() <= 1:
            raise TierError(f"{self._card.name}: gave something that is not one probability")
        return float(value.item())


def _may_read(text: str) -> bool:
    return len(text) <= MAX_CHARS and not says_something_else(text)


def min_probability_of(card: Card) -> float:
    """What these weights were calibrated to be accepted at. Raises TierError when that is none."""
    least = card.number("min_probability", MIN_PROBABILITY)
    if not 0 < least <= 1:
        raise TierError(f"{card.name}: min_probability {least:g} is not above 0 and at most 1")
    return least


class OnnxVerifier:
    """Probability that one answer serves both questions.

    The graph takes `input_ids` and `token_type_ids`, int64 of shape (1, tokens), and gives one
    float32 of shape (1, 1). `id` is read from the card, also before `start`.

    Args:
        folder: Holds `model.onnx`, `tokenizer.json` and `card.json`.
        workers: Calls run at once. Each takes a core while it runs.
        patience: How long a call may have to wait for others.
    """

    def __init__(
        self, folder: Path = SHIPPED, *, workers: int = 1, patience: Patience | None = None
    ) -> None:
        self._folder = folder
        self._patience = patience
        self._workers = workers
        self._card: Card | None = None
        self._model: Model | None = None
        self._running: Threads | None = None
        self._starting = asyncio.Lock()

    @property
    def id(self) -> str:
        """Name, quantisation and digest. Raises TierError when the card cannot be read."""
        return self._known().id

    @property
    def min_probability(self) -> float:
        """What these weights were calibrated for. Raises TierError when the card is unreadable."""
        return min_probability_of(self._known())

    def _known(self) -> Card:
        if self._card is None:
            self._card = Card.read(self._folder)
        return self._card

    async def start(self) -> None:
        """Load and check the files, then prove them by one run. A loaded model is only proved."""
        async with self._starting:
            if self._model is None:
                model = await asyncio.to_thread(self._load)
                self._running = Threads("verifier", self._workers, patience=self._patience)
                self._model = model
                await self.verify(PROBE, [PROBE])  # finds all cold; the next says what a run takes
            await self.verify(PROBE, [PROBE])

    def _load(self) -> Model:
        card = self._known()
        min_probability_of(card)
        return Model(self._folder, card)

    async def close(self) -> None:
        """Let what runs end, drop what waits, and end the threads. `start` may follow."""
        async with self._starting:
            threads, self._running, self._model = self._running, None, None
            if threads is not None:
                await threads.close(drop=True)

    async def verify(self, question: str, candidates: Sequence[str]) -> Sequence[float]:
        """P(one answer serves both), 0 to 1, for each candidate in order; 0 for the unreadable.

        Each costs a run: ask best first, one at a time, where the first that serves is enough.
        Cancelling it stops the worker before its next candidate.

        Raises:
            BusyError: It would have to wait too long for others.
            TierError: Not started, closing, or the runtime failed.
        """
        model, threads = self._model, self._running
        if model is None or threads is None:
            raise TierError("the verifier is not started")
        if not candidates:
            return []
        gone = threading.Event()
        size = len(candidates) * (1 + len(question)) + sum(map(len, candidates))
        try:
            return await threads.run(_run, model, question, tuple(candidates), gone, size=size)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # the caller's own
            raise TierError("the verifier is closing") from None
        finally:
            gone.set()


def _run(
    model: Model, question: str, candidates: tuple[str, ...], gone: threading.Event
) -> list[float]:
    found: list[float] = []
    for candidate in candidates:
        if gone.is_set():
            break
        try:
            found.append(model.probability(question, candidate))
        except TierError:
            raise
        except Exception as error:  # tokenizers raise classes of their own
            raise TierError(f"verifying failed: {error!r}") from error
    return found
