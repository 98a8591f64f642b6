"""The schema, and the default file that documents it."""

from collections.abc import Iterator
from dataclasses import fields as fields_of
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import ValidationError

from proxy.config import Config, load
from proxy.config.cache import Action
from proxy.config.encryption import EncryptionKey
from proxy.config.freshness import ScheduledPurge, TagRule, Ttl, TtlRule
from proxy.config.section import Section, section_of
from proxy.config.shared import SharedTier
from proxy.config.showing import effective
from proxy.config.telemetry import Price
from proxy.config.vector import GuardName
from proxy.core import admission as core
from proxy.core import freshness, tagging
from proxy.core.judgement.guards import ALL

FILE = Path(__file__).parents[2] / "config.yaml"


def fields(model: type[Section], path: str = "") -> Iterator[tuple[str, str, str | None]]:
    for key, field in model.model_fields.items():
        yield f"{path}{key}", key, field.description
        inner = section_of(model, key)
        if inner is not None:
            yield from fields(inner, f"{path}{key}.")


def test_default_file_is_the_defaults() -> None:
    """config.yaml says exactly what holds without it."""
    assert load(None, {}) == load(FILE, {})


def test_default_file_is_complete() -> None:
    """Every key of the schema stands in config.yaml, in the schema's order."""
    assert effective(Config()) == yaml.safe_load(FILE.read_text())
    assert list(keys(effective(Config()))) == list(keys(yaml.safe_load(FILE.read_text())))


def keys(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}{key}"
            yield from keys(inner, f"{path}{key}.")


def test_default_file_explains_every_key() -> None:
    """The comment above a key in config.yaml is the key's docstring."""
    comments = " ".join(
        line.strip().removeprefix("#").strip() for line in FILE.read_text().splitlines()
    )
    missing = [
        path for path, _, text in fields(Config) if " ".join((text or "?").split()) not in comments
    ]

    assert missing == []


def test_every_key_has_a_docstring() -> None:
    """No key is left for the reader to guess, in the sections that lists and mappings hold too."""
    lists = (Price, TtlRule, TagRule, ScheduledPurge, EncryptionKey)
    sections: tuple[type[Section], ...] = (Config, *lists)

    assert [path for model in sections for path, _, text in fields(model) if not text] == []


def test_every_key_has_a_default() -> None:
    """An empty section is a valid one, all the way down."""
    lists = (Price, TtlRule, TagRule, ScheduledPurge)
    sections: tuple[type[Section], ...] = (Config, *lists, *inner_sections(Config))

    assert [
        key
        for model in sections
        for key, field in model.model_fields.items()
        if field.is_required()
    ] == []


def inner_sections(model: type[Section]) -> Iterator[type[Section]]:
    for key in model.model_fields:
        inner = section_of(model, key)
        if inner is not None:
            yield inner
            yield from inner_sections(inner)


def test_frozen() -> None:
    """Nobody changes a configuration that is in use."""
    with pytest.raises(ValidationError):
        Config().server.port = 1


def test_knows_every_guard() -> None:
    """A guard that is written or renamed is one the configuration can name, in the same order."""
    assert list(get_args(GuardName)) == [guard.name for guard in ALL]


def test_speaks_the_core_s_words() -> None:
    """Actions, lifetimes and admission rules are the core's, name for name."""
    ours = Config().cache.admission
    theirs = core.Admission()

    assert [action.name.lower() for action in core.Action] == list(get_args(Action))
    assert [core.Action[name.upper()] for name in (ours.time_action, ours.tools_action)] == [
        theirs.time,
        theirs.tools,
    ]
    assert [core.Action[name.upper()] for name in (ours.temperature_action, ours.pii_action)] == [
        theirs.temperature,
        theirs.pii,
    ]
    assert core.Action[ours.stored_action.upper()] is theirs.stored
    assert set(TtlRule.model_fields) == {field.name for field in fields_of(freshness.TtlRule)}
    assert set(TagRule.model_fields) == {field.name for field in fields_of(tagging.TagRule)}
    assert set(Ttl.model_fields) == {field.name for field in fields_of(freshness.Lifetimes)}


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/x.db", "data/x.db"),
        ("sqlite:////var/x.db", "/var/x.db"),
        ("redis://h:6379/0", None),
        ("unix:///run/redis.sock", None),
        ("redis+sentinel://h:1,g:2/main/0", None),
    ],
)
def test_sqlite_path(url: str, path: str | None) -> None:
    """Three slashes are a relative file and four an absolute one, as SQLAlchemy has it."""
    found = SharedTier.model_validate({"url": url}).sqlite_path

    assert (Path(path) if path else None) == found
