"""What a fuzzer needs to know of a parser."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CORPUS: Final = Path(__file__).parent / "corpus"
"""A folder for each target: inputs that reach something, and those that once broke something."""


@dataclass(frozen=True, slots=True)
class Target:
    """One parser, and what must hold of all that it is given.

    Attributes:
        name: Also its folder's in the corpus.
        run: Reads the bytes, and asserts what must hold of what was read.
        refusals: What it may raise: its documented errors, and no more.
        tokens: What its inputs are made of.
        longest: Bytes of an input.
    """

    name: str
    run: Callable[[bytes], None]
    refusals: tuple[type[Exception], ...] = ()
    tokens: tuple[bytes, ...] = ()
    longest: int = 2048

    def try_(self, data: bytes) -> None:
        """Run it. Raises what is neither an answer nor a refusal."""
        try:
            self.run(data)
        except self.refusals:
            return

    def corpus(self) -> list[bytes]:
        """What is kept for it."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).iterdir())]


def cuts(data: bytes, piece: int) -> Iterator[bytes]:
    """The bytes in pieces of about that size, two of three of them uneven."""
    at = 0
    sizes = (piece, 1, 2 * piece + 1)
    turn = 0
    while at < len(data):
        size = max(1, sizes[turn % len(sizes)])
        yield data[at : at + size]
        at += size
        turn += 1
