"""Cutting a question into tokens.

One pattern, tried in order at each place: the special shapes first, since an order number or a URL
must not fall apart into words and numbers. Before them all goes the plain word between spaces,
which is nearly every token and can be none of the others. Each alternative is linear in the text.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from proxy.core.judgement.words import CLITICS, CONTRACTIONS, IS_CLITIC_HOSTS

_QUOTES: Final = str.maketrans(
    {
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{MODIFIER LETTER APOSTROPHE}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{EN DASH}": "-",
        "\N{EM DASH}": " - ",
        "\N{MINUS SIGN}": "-",
        "\N{FRACTION SLASH}": "/",
    }
)

_SHAPES: Final = {
    "plain": r"(?<!\w)[A-Za-z]+(?=[ ,?!]|$)",
    "link": r"(?:https?|ftp|s3|file)://[^\s<>\"']+|www\.[^\s<>\"']+",
    "mail": r"[\w.+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    "uuid": r"(?<!\w)[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?!\w)",
    "hex": r"(?<!\w)0[xX][0-9A-Fa-f]+",
    "iso": r"(?<!\d)\d{4}-\d{1,2}-\d{1,2}(?!\d)",
    "slash": r"(?<![\d/])\d{1,2}(?P<sep>[/.])\d{1,2}(?P=sep)(?:\d{4}|\d\d)(?![\d/])",
    "clock": r"(?<![\d:])\d{1,2}(?::\d{2}){1,2}(?:\s?[aApP]\.?[mM]\b)?"
    r"|(?<![\d.])\d{1,2}\s?[aApP]\.?[mM]\b",
    "round": r"(?<![\d/])24\s?[/x]\s?7(?!\d)",
    "version": r"(?<![\w.])[vV]?\d+(?:\.\d+){2,}(?!\w)|(?<!\w)[vV]\.?\d+(?:\.\d+)?(?!\w)",
    "plan": r"(?<!\w)(?:401|403|457|529)\s?\(?[kKbB]\b\)?",
    "path": r"(?<![\w/.)])(?:~|\.{1,2})?/[A-Za-z_.][\w.-]*(?:/[\w.-]+)*",
    "flag": r"(?<![\w-])--?[A-Za-z][\w-]*",
    "snake": r"(?<!\w)[A-Za-z]\w*?_\w+",
    "code": r"(?<!\w)[A-Za-z]+-?\d[\w-]*|(?<!\w)\d{1,64}[A-Za-z]+\d[\w-]*",
    "dotted": r"(?<!\w)[A-Za-z][A-Za-z0-9-]{0,63}(?:\.[A-Za-z][A-Za-z0-9]*)+",
    "number": r"(?:(?<![\w)])[-+])?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)"
    r"|(?:(?<![\w)])[-+])?\d+(?:\.\d+)?"
    r"|(?<!\w)\.\d+",
    "word": r"[^\W\d_]+(?:'[^\W\d_]+)*(?:\+\+|#)?",
    "mark": r"\*\*|//|[<>=!]=|<>|[%$€£¥₹¢°]|[-+*/=<>^\u00d7\u00f7]|[.!?;:,()\"]",
}
TOKEN: Final = re.compile("|".join(f"(?P<{name}>{shape})" for name, shape in _SHAPES.items()))

_SPACE: Final = re.compile(r"\s+")
_FINAL_MARKS: Final = re.compile(r"[?!.,;:…]+(?=\s|$)")
ENDS: Final = frozenset(".!?:;")


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind, its text as asked, where it starts, and whether a space is before it."""

    kind: str
    text: str
    starts: bool
    glued: bool


def clean(text: str) -> str:
    """The text in one Unicode form (NFKC), with plain quotes and dashes."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).translate(_QUOTES)


def unaccented(word: str) -> str:
    """The word as it is typed without accents: `Pokémon` and `pokemon` are one."""
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFKD", word)
    return unicodedata.normalize("NFC", "".join(c for c in parts if not unicodedata.combining(c)))


def plain(text: str) -> str:
    """What is left when case, spacing and final punctuation do not count."""
    return _SPACE.sub(" ", _FINAL_MARKS.sub(" ", text.casefold())).strip()


def tokens(text: str) -> list[Token]:
    """The tokens of a cleaned text, in order."""
    found: list[Token] = []
    starts, end = True, -1
    for match in TOKEN.finditer(text):
        kind, word = match.lastgroup or "mark", match.group()
        kind = "word" if kind == "plain" else kind
        found.append(Token(kind, word, starts, match.start() == end))
        starts, end = word in ENDS or (starts and kind == "mark"), match.end()
    return found


def spell_out(word: str) -> tuple[tuple[str, ...], str | None]:
    """A lower-case word without its contraction, and the possessor if the word names one.

    `don't` is `do not`; `what's` is `what is`; `customer's` is `customer`, who owns.
    """
    if word in CONTRACTIONS:
        return tuple(CONTRACTIONS[word].split()), None
    if "'" not in word:
        return (word,), None
    for clitic, full in CLITICS.items():
        if word.endswith(clitic):
            return tuple(filter(None, (word[: -len(clitic)], full))), None
    host, _, rest = word.partition("'")
    if rest == "s":
        return ((host, "is"), None) if host in IS_CLITIC_HOSTS else ((host,), host)
    return (host, rest) if host else (rest,), None
