"""Cutting a question into tokens."""

import pytest

from proxy.core.judgement.tokens import clean, plain, tokens


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://a.example/b?c=1", "link"),
        ("ann.lee+x@example.co.uk", "mail"),
        ("123e4567-e89b-12d3-a456-426614174000", "uuid"),
        ("0xFF", "hex"),
        ("2023-01-02", "iso"),
        ("1/2/2023", "slash"),
        ("5:30 p.m.", "clock"),
        ("5pm", "clock"),
        ("24/7", "round"),
        ("1.2.3", "version"),
        ("v2", "version"),
        ("401(k)", "plan"),
        ("/etc/hosts", "path"),
        ("~/notes.txt", "path"),
        ("--force", "flag"),
        ("order_id", "snake"),
        ("AB-123", "code"),
        ("mp3", "code"),
        ("config.yaml", "dotted"),
        ("1,000.50", "number"),
        (".5", "number"),
        ("C++", "word"),
        ("don't", "word"),
        ("\u00e9t\u00e9", "word"),
    ],
)
def test_a_special_shape_is_one_token(text: str, kind: str) -> None:
    """Nothing with a shape of its own falls apart into words and numbers."""
    found = [token for token in tokens(clean(f"see {text} ?")) if token.text not in {"see", "?"}]
    assert found[0].kind == kind
    assert text.startswith(found[0].text)
    assert len(found[0].text) >= len(text) - 1


def test_prose_is_not_taken_for_shapes() -> None:
    """A slash between words is no path, a dash no flag."""
    assert [t.kind for t in tokens("and/or well-known")] == ["word", "mark", "word", *WELL_KNOWN]


WELL_KNOWN = ["word", "mark", "word"]


def test_a_sentence_starts_after_its_end() -> None:
    """A capital after a full stop says nothing; one inside a sentence does."""
    found = [(t.text, t.starts) for t in tokens("Hi. See Rome") if t.kind == "word"]
    assert found == [("Hi", True), ("See", True), ("Rome", False)]


@pytest.mark.parametrize("text", ["What is it?", "what  is it", "WHAT IS IT ?!", " What is it... "])
def test_the_plain_form_ignores_case_spacing_and_final_marks(text: str) -> None:
    """These are one question."""
    assert plain(clean(text)) == "what is it"


def test_a_long_text_is_cut_in_linear_time() -> None:
    """No pattern backtracks: a hostile text of one shape is still read."""
    for piece in ("a.", "1,", "a-", "_a", "1a", "a@", "--"):
        assert tokens(piece * 5000)
