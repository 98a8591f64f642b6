"""Counting what the origin did not."""

import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.model import Usage
from proxy.telemetry.tokens import TokenCounter, estimate


class Words:
    """An encoding with a token a word; `poison` stands for a text that it cannot take."""

    def encode_ordinary(self, text: str) -> Sequence[int]:
        if text == "poison":
            raise UnicodeEncodeError("utf-8", text, 0, 1, "surrogate")
        return [len(word) for word in text.split()]


def loaded(counter: TokenCounter) -> TokenCounter:
    counter.start()
    assert counter.wait(10)
    return counter


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("你好世界", 3)]
)
def test_estimate(text: str, expected: int) -> None:
    """About four bytes a token, rounded up."""
    assert expected == estimate(text)


@given(st.text(st.characters(codec=None, exclude_categories=())), st.text())
def test_estimate_never_fails(one: str, two: str) -> None:
    """Any text has an estimate, lone surrogates too, and more text has no fewer tokens."""
    assert estimate(one) <= estimate(one + two)


async def test_counts_once_the_vocabulary_is_there() -> None:
    """With the vocabulary tokens are counted, and still marked: the origin did not say so."""
    counter = loaded(TokenCounter(Words))

    assert counter.is_exact
    assert Usage(3, 2, estimated=True) == await counter.usage("a b c", "d e")


async def test_estimates_until_then() -> None:
    """While the network hangs nobody waits for it."""
    release = threading.Event()

    def hang() -> Words:
        release.wait(30)
        return Words()

    counter = TokenCounter(hang)
    counter.start()
    before = await counter.usage("abcdefgh", "abcd")
    release.set()
    assert counter.wait(10)

    assert Usage(2, 1, estimated=True) == before
    assert Usage(1, 1, estimated=True) == await counter.usage("abcdefgh", "abcd")


async def test_no_network() -> None:
    """A download that fails leaves the estimate, without an error."""

    def fail() -> Words:
        raise ConnectionError("no route to host")

    counter = loaded(TokenCounter(fail))

    assert not counter.is_exact
    assert Usage(1, 1, estimated=True) == await counter.usage("abcd", "efgh")


async def test_switched_off() -> None:
    """Without a loader nothing is ever loaded."""
    counter = TokenCounter(None)
    counter.start()

    assert not counter.wait(0)
    assert Usage(1, 0, estimated=True) == await counter.usage("abcd", "")


async def test_a_text_the_tokenizer_cannot_take() -> None:
    """It is estimated like any other."""
    counter = loaded(TokenCounter(Words))

    assert Usage(2, 1, estimated=True) == await counter.usage("poison", "word")


def test_loads_once() -> None:
    """A second start loads nothing anew."""
    calls: list[int] = []

    def load() -> Words:
        calls.append(1)
        return Words()

    counter = loaded(TokenCounter(load))
    counter.start()

    assert calls == [1]


def test_a_hanging_download_does_not_hold_the_exit() -> None:
    """A process whose download never ends still exits at once."""
    program = (
        "import threading\n"
        "from proxy.telemetry.tokens import TokenCounter\n"
        "counter = TokenCounter(lambda: threading.Event().wait())\n"
        "counter.start()\n"
        "assert not counter.wait(0.05)\n"
        "print('done')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_importing_loads_no_tokenizer() -> None:
    """tiktoken is imported by the thread that loads, not by the program's start."""
    program = "import sys, proxy.telemetry.tokens; print('tiktoken' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert ended.stdout == "False\n"
