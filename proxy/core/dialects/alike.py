"""Payloads that are the one before them with another text, as nearly all of a stream are.

Where all else is the same, byte for byte, nothing else need be read. A text counts where it stands
in the bytes as it is, printable and without an escape.
"""

import re
from typing import Final

_VALUE: Final = re.compile(rb'\s*:\s*"([^"\\\x00-\x1f]*)"')
"""What follows a name whose value is such a text."""

_PADDING: Final = b',"obfuscation":"'
_PADDED: Final = re.compile(re.escape(_PADDING) + rb'[ !#-\[\]-~]*"\}')
"""Padding that hides how long the text is, and the end: it is another every time."""


class Alike:
    """Remembers one payload."""

    __slots__ = ("_head", "_is_padded", "_tail")

    def __init__(self) -> None:
        self._head = self._tail = b""
        self._is_padded = False

    def learn(self, data: bytes, name: str) -> None:
        """Remember this one; its text is the value of this name, or it has none ("")."""
        self._head = self._tail = b""
        token = b'"%s"' % name.encode()
        if not name or data.count(token) != 1:
            return
        told, self._is_padded = _without_padding(data)
        value = _VALUE.match(told, told.index(token) + len(token))
        if value is not None:
            self._head, self._tail = told[: value.start(1)], told[value.end(1) :]

    def text_of(self, data: bytes) -> str | None:
        """The text of a payload that is like the one remembered; None where it is not."""
        if not (self._head and data.startswith(self._head)):
            return None
        told, is_padded = _without_padding(data)
        size = len(told) - len(self._tail)
        if size < len(self._head) or is_padded != self._is_padded or not told.endswith(self._tail):
            return None
        raw = told[len(self._head) : size]
        if b'"' in raw or b"\\" in raw:
            return None
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return None
        return text if text.isprintable() else None


def _without_padding(data: bytes) -> tuple[bytes, bool]:
    """(a payload without its padding and what follows that, whether it has any)."""
    at = data.rfind(_PADDING)
    if at < 0 or not _PADDED.fullmatch(data, at):
        return data, False
    return data[:at], True
