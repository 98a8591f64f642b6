"""Personal data and secrets in a text, by their shapes.

Each pattern asks for more than digits in a row: a check sum, a known prefix, a separator. A false
alarm costs a cached answer; a miss keeps somebody's data for others of the same tenant to be
answered with. Both are kept rare by testing positive and negative samples.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of personal data: its shape, and what a match must satisfy besides."""

    name: str
    shape: re.Pattern[str]
    holds: Callable[[str], bool] = lambda _text: True


def _digits(text: str) -> list[int]:
    return [int(char) for char in text if char.isdigit()]


def passes_luhn(text: str) -> bool:
    """The check sum of payment cards (ISO/IEC 7812-1, annex B)."""
    digits = _digits(text)
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]  # noqa: PLR2004 - the rule
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def passes_mod97(text: str) -> bool:
    """The check sum of an IBAN (ISO 13616; ISO/IEC 7064, MOD 97-10)."""
    compact = re.sub(r"\s", "", text).upper()
    number = "".join(str(int(char, 36)) for char in compact[4:] + compact[:4])
    return int(number) % 97 == 1


KINDS: Final = (
    Kind("e-mail address", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63})+")),
    Kind(
        "secret key",
        re.compile(
            r"(?<![\w-])(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}"
            r"|AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{30,}"
            r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)"
            r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
        ),
    ),
    Kind(
        "payment card", re.compile(r"(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d.-]\d|\d)"), passes_luhn
    ),
    Kind(
        "IBAN",
        re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)"),
        passes_mod97,
    ),
    Kind(
        "social security number",
        re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"),
    ),
    Kind(
        "phone number",
        re.compile(
            r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
            r"|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\w-])"
        ),
    ),
)


def personal_data(text: str) -> str | None:
    """The first kind of personal data found in a text; None when there is none."""
    for kind in KINDS:
        for match in kind.shape.finditer(text):
            if kind.holds(match[0]):
                return kind.name
    return None
