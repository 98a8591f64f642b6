"""Text cut into pieces of about a token, for answers that were not streamed but shall be.

Rule of the file: the pieces joined are the text, none is empty, and none begins inside a grapheme
(a letter without its accent, half of a flag or of a family).
"""

import re
from typing import Any, Final

MAX_RUN: Final = 16
"""Longest piece of an unbroken ASCII run, such as base64: a token or a few."""

_IDEOGRAPHS: Final = "\u2e80-\u3098\u309b-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Scripts without spaces, about a token a character; not the kana marks that follow their kana."""

_OTHERS: Final = rf"[^\s\x00-\x7f{_IDEOGRAPHS}]"
"""Accents, joiners, emoji, and every other script: never cut, since anything may combine."""

_PIECE: Final = re.compile(
    rf"\s*(?:[{_IDEOGRAPHS}]|[^\s\x80-\U0010ffff]{{1,{MAX_RUN}}})?{_OTHERS}*"
)

Token = dict[str, Any]


def words(text: str) -> list[str]:
    """The text in words, each with the white space before it."""
    return [piece for piece in _PIECE.findall(text) if piece]


def by_tokens(text: str, tokens: list[Any]) -> list[tuple[str, list[Token]]] | None:
    """The text cut where its tokens cut it, each piece with its own; None when they disagree.

    Args:
        text: What the tokens spell.
        tokens: Log-probability entries: `token`, and `bytes` when it is part of a character
            only. Tokens that share a character stay together.
    """
    pieces: list[tuple[str, list[Token]]] = []
    held, holders = b"", []
    for token in tokens:
        spelled = _bytes_of(token)
        if spelled is None:
            return None
        held += spelled
        holders.append(token)
        try:
            pieces.append((held.decode(), holders))
        except UnicodeDecodeError:
            continue
        held, holders = b"", []
    agrees = not holders and "".join(piece for piece, _ in pieces) == text
    return pieces if agrees else None


def _bytes_of(token: object) -> bytes | None:
    if not isinstance(token, dict):
        return None
    spelled, name = token.get("bytes"), token.get("token")
    try:
        if isinstance(spelled, list):
            return bytes(spelled)
        return name.encode() if isinstance(name, str) else None
    except (ValueError, TypeError):
        return None
