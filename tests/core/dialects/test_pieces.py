import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.dialects.pieces import MAX_RUN, by_tokens, words

texts = st.text(st.characters() | st.sampled_from(" \n\t.,aé中か\u3099\u0301\u200d\ufe0f👨👩🎉"))


@given(texts)
def test_pieces_joined_are_the_text(text: str) -> None:
    """Nothing is lost, and no piece is empty."""
    found = words(text)

    assert "".join(found) == text
    assert all(found)


@given(texts)
def test_no_piece_begins_inside_a_grapheme(text: str) -> None:
    """An accent stays with its letter, a joiner with what it joins."""
    for piece in words(text)[1:]:
        assert piece[0] not in "\u200d\ufe0f\u3099"
        assert not unicodedata.combining(piece[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("One two,  three.\n\nFour ", ["One", " two,", "  three.", "\n\nFour", " "]),
        ("中文字", ["中", "文", "字"]),
        ("か\u3099い", ["か\u3099", "い"]),
        ("cafe\u0301s", ["cafe\u0301", "s"]),
        ("ok 👨‍👩‍👧 1\ufe0f\u20e3", ["ok", " 👨‍👩‍👧", " 1\ufe0f\u20e3"]),
        ("x" * (MAX_RUN + 1), ["x" * MAX_RUN, "x"]),
    ],
)
def test_pieces_are_about_a_token(text: str, expected: list[str]) -> None:
    """Words with their space; ideographs one by one; long runs cut."""
    assert words(text) == expected


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4)))
def test_tokens_cut_the_text_they_spell(tokens: list[str]) -> None:
    """Each piece comes with its own token, with its bytes or without."""
    entries = [{"token": token} for token in tokens]

    assert by_tokens("".join(tokens), entries) == [
        (token, [entry]) for token, entry in zip(tokens, entries, strict=True)
    ]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.integers(1, 3))
def test_tokens_may_be_parts_of_characters(text: str, size: int) -> None:
    """Their bytes are put together; no token is lost, and no character is cut."""
    spelled = text.encode()
    entries = [
        {"token": "?", "bytes": list(spelled[start : start + size])}
        for start in range(0, len(spelled), size)
    ]
    found = by_tokens(text, entries)

    assert found is not None
    assert "".join(piece for piece, _ in found) == text
    assert [entry for _, held in found for entry in held] == entries


@pytest.mark.parametrize(
    "tokens",
    [
        [{"token": "b"}],
        [7],
        [{}],
        [{"token": "a", "bytes": [300]}],
        [{"token": "a", "bytes": ["x"]}],
        [{"token": "a"}, {"token": "", "bytes": [0xC3]}],
        [{"token": "\ud800"}],
    ],
)
def test_tokens_that_spell_another_text_cut_nothing(tokens: list[object]) -> None:
    """The text is then cut in words."""
    assert by_tokens("a", tokens) is None
