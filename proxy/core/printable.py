"""Callers' words for a terminal: what would steer it is shown as an escape instead.

A terminal obeys control characters: they move, recolour and clear what it shows, and set its title
or clipboard (ECMA-48). Those that turn the direction of writing have text look like another.
"""

import re
from typing import Final

_STEERS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""All but tab and line feed."""


def printable(text: str) -> str:
    r"""The text, with `\x1b` in place of an escape character, and so on."""
    return _STEERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
