"""Check digits of numbers that states give to people: other digits are not taken for one."""

from itertools import cycle
from typing import Final

_DNI: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
"""A Spanish identity number's letter is its number modulo 23 (Orden INT/2058/2008)."""

_NIE: Final = {"X": "0", "Y": "1", "Z": "2"}

_D: Final = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_P: Final = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)
"""Verhoeff's tables (1969): the dihedral group of ten, and his permutation."""

_WEIGHTS: Final = "1 0 5 7 9 13 15 17 19 21 2 4 18 20 11 3 6 8 12 14 16 10 22 25 24 23"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ODD: Final = dict(zip(_LETTERS, map(int, _WEIGHTS.split()), strict=True))
"""What a letter in an odd place counts in a codice fiscale, a digit as its letter of `A` to `J`
(D.M. 23 December 1976)."""


_NOT_BRITISH: Final = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
"""With these no national insurance number begins (HMRC, NIM39110)."""


def is_british(text: str) -> bool:
    """A national insurance number has no check digit, but beginnings that are not given."""
    return text[:2] not in _NOT_BRITISH


def is_spanish(text: str) -> bool:
    """A DNI or NIE: its letter is that of its number."""
    number = _NIE.get(text[0], text[0]) + text[1:-1].strip("-")
    return _DNI[int(number.replace("-", "")) % len(_DNI)] == text[-1]


def is_italian(text: str) -> bool:
    """A codice fiscale: its last letter is the sum of all before it."""
    letters = [_LETTERS[int(char)] if char.isdigit() else char for char in text[:-1]]
    odd = sum(_ODD[char] for char in letters[::2])
    return _LETTERS[(odd + sum(map(_LETTERS.index, letters[1::2]))) % len(_LETTERS)] == text[-1]


def is_french(text: str) -> bool:
    """A numero de securite sociale: its key is 97 less the rest of its number (INSEE)."""
    digits = text.replace(" ", "")
    return 97 - int(digits[:-2]) % 97 == int(digits[-2:])


def is_brazilian(text: str) -> bool:
    """A CPF: two check digits modulo 11 (Receita Federal)."""
    digits = [int(char) for char in text if char.isdigit()]
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        weighted = sum(d * w for d, w in zip(digits, range(length + 1, 1, -1), strict=False))
        if weighted * 10 % 11 % 10 != digits[length]:
            return False
    return True


def is_indian(text: str) -> bool:
    """An Aadhaar: Verhoeff's check digit (UIDAI)."""
    found = 0
    digits = [int(char) for char in text if char.isdigit()]
    for digit, row in zip(reversed(digits), cycle(_P), strict=False):
        found = int(_D[found][int(row[digit])])
    return found == 0
