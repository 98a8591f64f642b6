"""Counting the tokens of an answer whose origin did not count them.

tiktoken downloads its vocabulary at first use, without a time limit, and a network that swallows
packets holds it for minutes. So it is loaded by a daemon thread, which neither start nor exit waits
for; until it has loaded, or where it cannot, tokens are estimated. Either way the usage is marked
as estimated: only the origin knows what it will bill.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from proxy.core.model import Usage

BYTES_A_TOKEN = 4
"""Of UTF-8: about what English text has in OpenAI's vocabularies, and near enough for Chinese,
where a character is three bytes and most of a token."""

VOCABULARY = "o200k_base"
"""Of gpt-4o and everything after it; for older models it is a few percent off."""


class Encoding(Protocol):
    """What is used of a tiktoken encoding."""

    def encode_ordinary(self, text: str) -> Sequence[int]:
        """The text's tokens; special tokens in it are text like any other."""
        ...


def load_vocabulary() -> Encoding:
    """Tiktoken's encoding, downloaded at first use. May take as long as the network likes."""
    import tiktoken  # noqa: PLC0415 - only this thread pays for the import

    return tiktoken.get_encoding(VOCABULARY)


def estimate(text: str) -> int:
    """About how many tokens a text has, from its length alone; 0 for an empty one."""
    return -(-len(text.encode(errors="replace")) // BYTES_A_TOKEN)


class TokenCounter:
    """Counts tokens, as well as it can at the moment.

    Args:
        load: Where the encoding comes from; None never loads one, and sends no request.
    """

    def __init__(self, load: Callable[[], Encoding] | None = load_vocabulary) -> None:
        self._load = load
        self._encoding: Encoding | None = None
        self._loaded = threading.Event()
        self._started = False

    def start(self) -> None:
        """Begin to load, and return at once. A second call is a no-op."""
        if self._load is None or self._started:
            return
        self._started = True
        threading.Thread(target=self._run, name="vocabulary", daemon=True).start()

    @property
    def is_exact(self) -> bool:
        """Whether the vocabulary is there; without it counts are estimates by length."""
        return self._encoding is not None

    def wait(self, seconds: float) -> bool:
        """Wait until loading has ended, well or not; blocks, so it is not for the event loop."""
        return self._loaded.wait(seconds)

    async def usage(self, prompt: str, completion: str) -> Usage:
        """The tokens of both, marked as estimated. Counting happens in a thread; never raises."""
        encoding = self._encoding
        if encoding is None:
            return Usage(estimate(prompt), estimate(completion), estimated=True)
        return await asyncio.to_thread(
            lambda: Usage(_count(encoding, prompt), _count(encoding, completion), estimated=True)
        )

    def _run(self) -> None:
        try:
            self._encoding = self._load() if self._load is not None else None
        except Exception:  # noqa: BLE001 - no network, no vocabulary: the estimate serves
            self._encoding = None
        finally:
            self._loaded.set()


def _count(encoding: Encoding, text: str) -> int:
    try:
        return len(encoding.encode_ordinary(text))
    except Exception:  # noqa: BLE001 - a text the tokenizer chokes on is no reason to fail
        return estimate(text)
