"""Personal data and secrets in a text, by their shapes.

Each pattern asks for more than digits in a row: a check sum, a known prefix, a separator. A false
alarm costs a cached answer; a miss keeps somebody's data for others of the same tenant to be
answered with. Both are kept rare by testing positive and negative samples.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.core.nationalids import (
    is_brazilian,
    is_british,
    is_french,
    is_indian,
    is_italian,
    is_spanish,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of personal data.

    Attributes:
        name: For people.
        shape: Finds it.
        sign: In the outline of every text that it is in: a plain search costs a tenth of what a
            pattern does. Empty where the pattern is as quick.
        holds: What a match must satisfy besides.
    """

    name: str
    shape: re.Pattern[str]
    sign: bytes = b""
    holds: Callable[[str], bool] = lambda _text: True


_OUTLINE: Final = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-", b"0" * 10 + b"A" * 26 + b" "
)


def outlined(text: str) -> bytes:
    """Every digit as `0`, every capital as `A`, a dash as a space, and what is not ASCII as `?`."""
    return text.encode("ascii", "replace").translate(_OUTLINE)


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


def _holds_an_iban(text: str) -> bool:
    """Capital words behind an IBAN look like more of it: its country says where it ends."""
    compact = text.replace(" ", "")
    length = _IBAN_LENGTHS.get(compact[:2], len(compact) + 1)
    return length <= len(compact) and passes_mod97(compact[:length])


def _is_social_security_number(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


_IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in (
        line.split(maxsplit=1)
        for line in """
            15 NO
            16 BE
            18 DK FK FI FO GL NL SD
            19 MK SI
            20 AT BA EE KZ LT LU MN XK
            21 CH HR LI LV
            22 BG BH CR DE GB GE IE ME RS VA
            23 AE GI IL IQ OM SO TL
            24 AD CZ ES MD PK RO SA SE SK TN VG YE
            25 LY PT ST
            26 IS TR
            27 BI DJ FR GR IT MC MR SM
            28 AL AZ BY CY DO GT HN HU LB NI PL SV
            29 BR EG PS QA UA
            30 JO KW MU
            31 MT SC
            32 LC
            33 RU
        """.strip().splitlines()
    )
    for country in countries.split()
}
"""Characters of an IBAN by country (SWIFT's IBAN registry)."""


def _shape(first: str, not_before: str, rest: str) -> re.Pattern[str]:
    """`first`, not behind any of `not_before`, then `rest`.

    The look-behind comes after the first character, so that the search can skip to that character:
    a long text is read some twenty times faster. ASCII, since a Chinese letter is no part of a
    number beside it.
    """
    return re.compile(f"{first}(?<![{not_before}]{first}){rest}", re.ASCII)


_TOKENS: Final = {
    "gsk_": 20,
    "hf_": 30,
    "npm_": 30,
    "dop_v1_": 40,
    "whsec_": 24,
    "sk_live_": 16,
    "sk_test_": 16,
    "rk_live_": 16,
    "rk_test_": 16,
}
"""How tokens begin whose prefix ends in a bar, and how much comes after it at least."""


def _behind_a_bar(tokens: Mapping[str, int]) -> re.Pattern[str]:
    """Any of them. Bars are rare, so that the search skips from one to the next."""
    told = (
        f"(?<={prefix})(?<![a-zA-Z0-9_-]{prefix})[A-Za-z0-9]{{{least},}}"
        for prefix, least in tokens.items()
    )
    return re.compile(f"_(?:{'|'.join(told)})", re.ASCII)


KINDS: Final = (
    Kind(
        "e-mail address",
        re.compile(r"@(?<=[\w.+-]@)[\w-]{1,63}(?:\.[\w-]{2,63})+", re.ASCII),
        b"@",
    ),
    Kind("secret key", _shape("s", r"\w-", r"k-[A-Za-z0-9_-]{16,}")),
    Kind("secret key", _shape("g", r"\w-", r"h[pousr]_[A-Za-z0-9]{30,}")),
    Kind("secret key", re.compile(r"github_pat_\w{30,}", re.ASCII)),
    Kind("secret key", _shape("A", r"\w-", r"(?:(?:KIA|SIA)[0-9A-Z]{16}|Iza[0-9A-Za-z_-]{30,})")),
    Kind("secret key", _shape("x", r"\w-", r"(?:ox[abeprs]|app)-[A-Za-z0-9-]{10,}")),
    Kind("secret key", _shape("e", r"\w-", r"yJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+"), b"eyA"),
    Kind("secret key", _behind_a_bar(_TOKENS), b"_"),
    Kind("secret key", _shape("g", r"\w-", r"lpat-[\w-]{20,}"), b"glpat "),
    Kind("secret key", _shape("p", r"\w-", r"ypi-[\w-]{40,}"), b"pypi "),
    Kind("secret key", _shape("y", r"\w-", r"a29\.[\w-]{20,}"), b"ya00."),
    Kind("secret key", _shape("S", r"\w-", r"G\.[\w-]{20,}\.[\w-]{20,}"), b"AA."),
    Kind("secret key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    # In one piece, or in the groups that are printed on it.
    Kind(
        "payment card",
        _shape(r"\d", r"\d.-", r"\d{12,18}(?![\d.-]\d|\d)"),
        b"0" * 13,
        passes_luhn,
    ),
    Kind(
        "payment card",
        _shape(r"\d", r"\d.-", r"\d{3}(?:[ -]\d{4}){3}(?![.-]?\d)"),
        b"0000 0000 0000 0000",
        passes_luhn,
    ),
    Kind(
        "payment card",
        _shape("3", r"\d.-", r"\d{3}[ -]\d{6}[ -]\d{4,5}(?![.-]?\d)"),
        b"0000 000000 0000",
        passes_luhn,
    ),
    Kind(
        "IBAN",
        _shape(
            "[A-Z]", r"\w", r"[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9_])"
        ),
        b"AA00",
        _holds_an_iban,
    ),
    Kind(
        "social security number",
        _shape(r"\d", r"\d-", r"\d{2}-\d{2}-\d{4}(?![\d-])"),
        b"000 00 0000",
        _is_social_security_number,
    ),
    Kind(
        "national insurance number",  # of the United Kingdom
        _shape("[A-CEGHJ-PR-TW-Z]", r"\w", r"[A-CEGHJ-NPR-TW-Z]\d{6}[A-D](?!\w)"),
        b"AA000000A",
        is_british,
    ),
    Kind(
        "national insurance number",  # as it is printed
        _shape("[A-CEGHJ-PR-TW-Z]", r"\w", r"[A-CEGHJ-NPR-TW-Z](?: \d{2}){3} [A-D](?!\w)"),
        b"AA 00 00 00 A",
        is_british,
    ),
    Kind(
        "national identity number",  # of Spain
        _shape("[XYZ0-9]", r"\w.-", r"-?\d{7}-?[A-Z](?!\w)"),
        b"0000000",
        is_spanish,
    ),
    Kind(
        "tax code",  # of Italy
        _shape("[A-Z]", r"\w", r"[A-Z]{5}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)"),
        b"AAAAAA00A00A000A",
        is_italian,
    ),
    Kind(
        "social security number",  # of France
        _shape("[12]", r"\w.-", r"\d{14}(?![.-]?\d|\w)"),
        b"0" * 15,
        is_french,
    ),
    Kind(
        "social security number",  # as it is printed
        _shape("[12]", r"\w.-", r"(?: \d{2}){3}(?: \d{3}){2} \d{2}(?![.-]?\d|\w)"),
        b"0 00 00 00 000 000 00",
        is_french,
    ),
    Kind(
        "tax number",  # of Brazil
        _shape(r"\d", r"\w.-", r"\d{2}\.\d{3}\.\d{3}-\d{2}(?![\w-])"),
        b"000.000.000 00",
        is_brazilian,
    ),
    Kind(
        "national identity number",  # of India
        _shape("[2-9]", r"\w.-", r"\d{3}[ -]\d{4}[ -]\d{4}(?![ .-]?\d|\w)"),
        b"0000 0000 0000",
        is_indian,
    ),
    Kind(
        "tax number",  # of India
        _shape("[A-Z]", r"\w", r"[A-Z]{2}[ABCFGHJLPT][A-Z]\d{4}[A-Z](?!\w)"),
        b"AAAAA0000A",
    ),
    Kind(
        "social insurance number",  # of Canada
        _shape(r"\d", r"\w.-", r"\d{2}-\d{3}-\d{3}(?![\w-])"),
        b"000 000 000",
        passes_luhn,
    ),
    Kind(
        "phone number",
        _shape(
            r"\+",
            r"\w.+-",
            r"\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}(?![\w-])",
        ),
        b"+",
    ),
    Kind("phone number", _shape(r"\(", r"\w.+-", r"\d{3}\) ?\d{3}-\d{4}(?![\w-])"), b"("),
    Kind(
        "phone number",
        _shape(r"\d", r"\w.+-", r"\d{2}-\d{3}-\d{4}(?![\w-])"),
        b"000 000 0000",
    ),
)


_WITHOUT_NUMBERS: Final = tuple(kind for kind in KINDS if b"00" not in kind.sign)


def personal_data(text: str) -> str | None:
    """The first kind of personal data found in a text; None when there is none."""
    outline = outlined(text)
    for kind in KINDS if b"00" in outline else _WITHOUT_NUMBERS:
        if kind.sign in outline:
            for match in kind.shape.finditer(text):
                if kind.holds(match[0]):
                    return kind.name
    return None
