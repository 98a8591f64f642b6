import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.privacy import KINDS, personal_data

PIECES = (
    "4111",
    "1111",
    "4111111111111111",
    "3782 822463 10005",
    "DE89 3704 0044 0532 0130 00",
    "GB82WEST12345698765432",
    "123-45-6789",
    "555-123-4567",
    "(555) ",
    "+49 30 901820",
    "ann@mail.example.com",
    "sk-abcDEF_123456789012",
    "ghp_" + "a1" * 15,
    "github_pat_" + "b2" * 15,
    "AKIAIOSFODNN7EXAMPLE",
    "xoxb-1234567890",
    "eyJhbGciOiJIUzI1NiJ9",
    ".eyJzdWIiOiIxMjM0In0.abc",
    "-----BEGIN RSA PRIVATE KEY-----",
    "AB 12 34 56 C",
    "12345678Z",
    "X-1234567-L",
    "RSSMRA85T10A562S",
    "2 55 08 14 168 025 38",
    "529.982.247-25",
    "2341 2341 2346",
    "ABCPE1234F",
    "046-454-286",
    "SG." + "a1" * 11 + "." + "b2" * 21,
    "ya29." + "a1" * 16,
    "a",
    "Z9",
    "0",
    " ",
    "-",
    ".",
    "_",
    "\n",
    "\u00a0",
    "٣",
    "\uff21",
    "漢",
    "🙂",
    "\ud83d",
)
"""Of texts with personal data, or nearly so."""


def found_by_patterns(text: str) -> str | None:
    """What is found when every pattern is tried on all of the text."""
    matches = ((kind, match) for kind in KINDS for match in kind.shape.finditer(text))
    return next((kind.name for kind, match in matches if kind.holds(match[0])), None)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to ann.lee+x@mail.example.co.uk please", "e-mail address"),
        ("my card is 4111 1111 1111 1111", "payment card"),
        ("4111-1111-1111-1111", "payment card"),
        ("4111111111111111", "payment card"),
        ("3782 822463 10005", "payment card"),
        ("card 4111 1111 1111 1111 12/27 cvc 123", "payment card"),
        ("pay 2 4111 1111 1111 1111", "payment card"),
        ("我的卡4111 1111 1111 1111谢谢", "payment card"),
        ("BE68 5390 0754 7034 THANKS", "IBAN"),
        ("the key is xoxb-123456789012-abcdef", "secret key"),
        ("use sk-proj-abcDEF_123456789012", "secret key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_1", "secret key"),
        ("pay to DE89 3704 0044 0532 0130 00", "IBAN"),
        ("GB82WEST12345698765432", "IBAN"),
        ("SSN 123-45-6789", "social security number"),
        ("call +49 30 901820 now", "phone number"),
        ("call (555) 123-4567", "phone number"),
        ("555-123-4567", "phone number"),
        ("key sk-abcdefghijklmnopqrstuvwx", "secret key"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "secret key"),
        ("AKIAIOSFODNN7EXAMPLE", "secret key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "secret key"),
        ("glpat-" + "a1" * 10, "secret key"),
        ("gsk_" + "a1" * 20, "secret key"),
        ("hf_" + "aB" * 17, "secret key"),
        ("npm_" + "a1" * 18, "secret key"),
        ("pypi-" + "Ag" * 25, "secret key"),
        ("dop_v1_" + "0f" * 32, "secret key"),
        ("whsec_" + "a1" * 16, "secret key"),
        ("ya29." + "a1" * 16, "secret key"),
        ("sk_" + "live_" + "a1" * 12, "secret key"),
        ("rk_" + "test_" + "a1" * 12, "secret key"),
        ("SG." + "a1" * 11 + "." + "b2" * 21, "secret key"),
        ("ASIAIOSFODNN7EXAMPLE", "secret key"),
        ("xapp-1-A0123456789-0123", "secret key"),
        ("my NI number is AB 12 34 56 C", "national insurance number"),
        ("AB123456C", "national insurance number"),
        ("DNI 12345678Z", "national identity number"),
        ("NIE X-1234567-L", "national identity number"),
        ("RSSMRA85T10A562S", "tax code"),
        ("2 55 08 14 168 025 38", "social security number"),
        ("1 84 12 76 451 089 46", "social security number"),
        ("CPF 529.982.247-25", "tax number"),
        ("Aadhaar 2341 2341 2346", "national identity number"),
        ("PAN ABCPE1234F", "tax number"),
        ("SIN 046-454-286", "social insurance number"),
    ],
)
def test_found(text: str, kind: str) -> None:
    """Each kind by its own shape."""
    assert personal_data(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "How do I reset my password?",
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "3.141592653589793238462643",
        "order 1234567890123 please",
        "DE00 1234 5678 9012 3456 78",
        "000-12-3456",
        "on 2024-01-02 at 10:30",
        "version 1.2.3-4",
        "user@localhost",
        "skateboard sk-8",
        "10.0.0.1 and 192.168.100.200",
        "1 + 1 = 2",
        "between 1990-2000 and 2010-2020",
        "@property and foo @ bar.com",
        "task-sk-abcdefghijklmnopqrstuvwx",
        "666-12-3456 and 900-12-3456 and 123-00-4567 and 123-45-0000",
        "AB12 CD34 EF56 GH78 IJ90",
        "DE88 3704 0044 0532 0130 00",
        "DE89 3704 0044 0532 0130",
        "1111 1111 1111 1111",
        "QQ 12 34 56 C and BG 12 34 56 C",
        "12345678A",
        "X1234567A",
        "RSSMRA85T10A562T",
        "2 55 08 14 168 025 39",
        "529.982.247-26 and 111.111.111-11",
        "2341 2341 2347",
        "ABCDE1234F",
        "046-454-287",
        "sk_live and hf_model and npm_config_registry",
        "population 123 456 789",
        "flight BA1234 on 12 34 56",
        "glpat-short",
    ],
)
def test_not_found(text: str) -> None:
    """Digits in a row are not yet a card, dates are no phone numbers."""
    assert personal_data(text) is None


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join))
def test_no_sign_means_no_match(text: str) -> None:
    """What is looked for first, to be quick, hides nothing that the patterns would find."""
    assert personal_data(text) == found_by_patterns(text)


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    """No text makes it fail."""
    personal_data(text)


def test_long_digits_are_no_trap() -> None:
    """A pattern must not run away on a long row of digits or letters."""
    assert personal_data("1 " * 20_000) is None
    assert personal_data("a" * 50_000) is None
    assert personal_data("a." * 20_000) is None
