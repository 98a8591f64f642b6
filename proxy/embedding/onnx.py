"""The embedder that comes with the program: all-MiniLM-L6-v2 as int8 ONNX, on the CPU.

Dynamic quantisation scales activations by the largest value of the whole batch, so a text's vector
would depend on its neighbours in the batch. So texts are run one by one; what concurrent callers
share is the hop to the worker thread, which embeds all that wait in one go.
"""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types
from tokenizers import Tokenizer

from proxy.core.model import Vector
from proxy.errors import TierError

BUNDLED = Path(str(files("proxy") / "models" / "minilm"))
"""Model, tokenizer and `card.json` with their digests."""


class OnnxEmbedder:
    """An `Embedder` in this process.

    Args:
        directory: Holds `model.onnx`, `tokenizer.json` and `card.json`.
        threads: For one text; more than one makes the slowest texts slower under load.

    Raises:
        TierError: The card cannot be read.
    """

    def __init__(self, directory: Path = BUNDLED, *, threads: int = 1) -> None:
        self._directory = directory
        self._threads = threads
        try:
            self._card = json.loads((directory / "card.json").read_bytes())
            self._max_tokens = int(self._card["max_tokens"])
            self._id = f"{self._card['name']}-{self._card['files']['model.onnx'][:8]}"
            self._dimension = int(self._card["dimension"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TierError(f"no model in {directory.name}: {error}") from error
        self._tokenizer: Tokenizer | None = None
        self._session: ort.InferenceSession | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._waiting: list[tuple[str, asyncio.Future[Vector | None]]] = []

    @property
    def id(self) -> str:
        """The model's name and the digest of its weights."""
        return self._id

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    async def start(self) -> None:
        """Load the model. Raises TierError when a file is missing or not the one on the card."""
        if self._session is not None:
            return
        self._worker = self._worker or ThreadPoolExecutor(1, thread_name_prefix="embed")
        await asyncio.get_running_loop().run_in_executor(self._worker, self._load)

    async def close(self) -> None:
        """End the worker; who waits gets a TierError."""
        for _, waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(TierError("the embedder was closed"))
        self._waiting.clear()
        if self._worker is not None:
            self._worker.shutdown(wait=False, cancel_futures=True)
        self._worker = self._session = self._tokenizer = None

    async def embed(self, text: str) -> Vector | None:
        """The text's vector; None when it is blank or longer than the model reads."""
        if self._worker is None or self._session is None:
            raise TierError("the embedder is not started")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Vector | None] = loop.create_future()
        self._waiting.append((text, waiter))
        if len(self._waiting) == 1:
            loop.call_soon(self._dispatch, loop)
        return await waiter

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> None:
        """All that wait now go to the worker together."""
        waiting, self._waiting = self._waiting, []
        if self._worker is not None and waiting:
            self._worker.submit(self._run, loop, waiting)

    def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: Sequence[tuple[str, "asyncio.Future[Vector | None]"]],
    ) -> None:
        for text, waiter in waiting:
            if waiter.cancelled():
                continue
            try:
                result: Vector | TierError | None = self._embed(text)
            except Exception as error:  # noqa: BLE001 - whatever the model raises is its fault
                result = TierError(f"the model failed: {error}")
            loop.call_soon_threadsafe(_settle, waiter, result)

    def _embed(self, text: str) -> Vector | None:
        session, tokenizer = self._session, self._tokenizer
        if session is None or tokenizer is None:
            raise TierError("the embedder was closed")
        plain = " ".join(text.split())
        if not plain:
            return None
        encoded = tokenizer.encode(plain.encode(errors="replace").decode())
        if len(encoded.ids) > self._max_tokens:
            return None
        inputs = {
            "input_ids": np.array([encoded.ids], dtype=np.int64),
            "attention_mask": np.array([encoded.attention_mask], dtype=np.int64),
        }
        names = {given.name for given in session.get_inputs()}
        vector = session.run(None, {k: v for k, v in inputs.items() if k in names})[0][0]
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0.0:
            raise TierError("the model gave no vector")
        return np.asarray(vector / length, dtype=np.float32)

    def _load(self) -> None:
        try:
            model = (self._directory / "model.onnx").read_bytes()
            if sha256(model).hexdigest() != self._card["files"]["model.onnx"]:
                raise TierError("model.onnx is not the one on its card")  # noqa: TRY301
            options = ort.SessionOptions()
            options.intra_op_num_threads = self._threads
            options.inter_op_num_threads = 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            # Above this level two nodes are fused into one that is six times slower.
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
            session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            tokenizer = Tokenizer.from_file(str(self._directory / "tokenizer.json"))
        except TierError:
            raise
        except Exception as error:
            raise TierError(f"the model cannot be loaded: {error}") from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer, self._session = tokenizer, session


def _settle(waiter: "asyncio.Future[Vector | None]", result: Vector | TierError | None) -> None:
    if waiter.done():
        return
    if isinstance(result, TierError):
        waiter.set_exception(result)
    else:
        waiter.set_result(result)
