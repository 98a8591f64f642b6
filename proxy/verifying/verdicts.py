"""What the second judge said, kept in a file that training and calibration read as labelled pairs.

One JSON object a line, `{id, a, b, label, source}`, appended away from the event loop. It holds the
questions in clear, so that only its owner may read it.
"""

import asyncio
import os
from pathlib import Path

from proxy import ownfiles
from proxy.core.canonical import dumps
from proxy.core.model import digest
from proxy.errors import TierError


def pair_id(first: str, second: str) -> str:
    """A digest of two questions, the same in either order."""
    return digest(*sorted((first.encode(), second.encode())))


class VerdictFile:
    """An open end for verdicts; the file and its folder are made with the first one.

    Args:
        path: The file.
        source: Who judged: the judge's id.
    """

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source
        self._writing = asyncio.Lock()

    async def append(self, question: str, candidate: str, *, is_same: bool) -> None:
        """Add a line. Raises TierError when it cannot be written."""
        line = {
            "id": pair_id(question, candidate),
            "a": candidate,
            "b": question,
            "label": int(is_same),
            "source": self._source,
        }
        async with self._writing:
            try:
                await asyncio.to_thread(self._write, dumps(line) + b"\n")
            except OSError as error:
                raise TierError(f"{self._path}: {error.strerror}") from error

    def _write(self, line: bytes) -> None:
        # One write to the end: a line is whole, also where replicas share the file.
        handle = ownfiles.opened(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
