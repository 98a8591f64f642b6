"""Keys that what is stored is sealed with, as an operator writes them."""

import base64
from pathlib import Path
from typing import Any

import pytest

from proxy.config import effective_yaml, load
from proxy.config.section import HIDDEN
from proxy.errors import ConfigError

KEY = base64.b64encode(b"0123456789abcdef" * 2).decode()

SEALED = f"  encryption: {{keys: [{{id: a, key: {KEY}}}]}}\n"


def config(tmp_path: Path, cache: str, **environ: str) -> Any:
    file = tmp_path / "c.yaml"
    file.write_text("cache:\n" + cache)
    return load(file, environ)


def test_keys_come_from_the_environment(tmp_path: Path) -> None:
    """In the order in which they are written, and no command shows them."""
    keys = "  encryption: {keys: [{id: new, key: '${NEW}'}, {id: old, key: '${OLD}'}]}"
    found = config(tmp_path, keys, NEW=KEY, OLD=base64.b64encode(bytes(32)).decode())

    assert [(one.id, one.secret) for one in found.cache.encryption.keys] == [
        ("new", b"0123456789abcdef" * 2),
        ("old", bytes(32)),
    ]
    assert KEY not in effective_yaml(found)
    assert HIDDEN in effective_yaml(found)


@pytest.mark.parametrize(
    ("cache", "problem"),
    [
        (
            "  encryption: {keys: [{id: a, key: c2hvcnQ=}]}",
            "cache.encryption.keys[0].key: must be the base64 of 32 bytes",
        ),
        (
            "  encryption: {keys: [{id: a, key: 'no base64!'}]}",
            "cache.encryption.keys[0].key: must be the base64 of 32 bytes",
        ),
        (
            f"  encryption: {{keys: [{{id: a, key: {KEY}}}, {{id: a, key: {KEY}}}]}}",
            "cache.encryption.keys[1]: is an earlier key's",
        ),
        (
            f"{SEALED}  shared: {{url: redis://h/0}}\n  vector: {{backend: redis}}",
            "cache.vector.backend: redis excludes cache.encryption.keys",
        ),
        (
            f"{SEALED}  judgement: {{llm: {{base_url: http://l, model: m, verdicts_file: v}}}}",
            "cache.judgement.llm.verdicts_file: excludes cache.encryption.keys",
        ),
    ],
    ids=["short", "not base64", "twice", "index in Redis", "verdicts"],
)
def test_what_cannot_be(tmp_path: Path, cache: str, problem: str) -> None:
    """Is named by its key, and no key is quoted: what cannot be sealed excludes it."""
    with pytest.raises(ConfigError) as refused:
        config(tmp_path, cache)

    assert problem in str(refused.value)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("cache", "problem"),
    [
        (
            "  shared: {url: redis://h/0}\n  vector: {backend: redis}",
            "cache.vector.backend: redis needs cache.store_questions",
        ),
        (
            "  judgement: {llm: {base_url: http://l, model: m, verdicts_file: v}}",
            "cache.judgement.llm.verdicts_file: needs cache.store_questions",
        ),
    ],
    ids=["index in Redis", "verdicts"],
)
def test_what_would_hold_questions(tmp_path: Path, cache: str, problem: str) -> None:
    """Is refused where none shall be stored."""
    with pytest.raises(ConfigError) as refused:
        config(tmp_path, "  store_questions: false\n" + cache)

    assert problem in str(refused.value)


def test_a_key_that_is_not_set_is_no_key(tmp_path: Path) -> None:
    """A variable that was forgotten must not leave everything in clear."""
    for environ in ({}, {"NEW": ""}):
        with pytest.raises(ConfigError):
            config(tmp_path, "  encryption: {keys: [{id: a, key: '${NEW}'}]}", **environ)
