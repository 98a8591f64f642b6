"""The admin API's configuration."""

from pathlib import Path

import pytest

from proxy.config import Config, effective_yaml, load
from proxy.errors import ConfigError

TOKEN = "operators-token-of-32-characters"


def problems(text: str, file: Path, **environ: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environ)
    return caught.value.problems


def test_it_is_off_by_default() -> None:
    """Nobody is an operator until somebody has chosen a token."""
    assert Config().admin.token is None


def test_the_environment_may_have_the_token() -> None:
    """A secret need not stand in a file; shown, it is hidden."""
    config = load(None, {"ADMIN_TOKEN": TOKEN})

    assert config.admin.token is not None
    assert config.admin.token.get_secret_value() == TOKEN
    assert TOKEN not in effective_yaml(config)


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("short", "must have at least 16 characters"),
        ("sixteen letters plus spaces", "must be of letters, digits and any of . _ ~ + / -"),
        ("sixteen-and-more-\u00e9", "must be of letters, digits and any of . _ ~ + / -"),
    ],
)
def test_a_token_that_is_none(tmp_path: Path, token: str, problem: str) -> None:
    """One that can be guessed, or not be sent, is refused, and not quoted."""
    found = problems(f"admin: {{token: '{token}'}}", tmp_path / "config.yaml")

    assert found == [f"admin.token: {problem}"]
    named = problems("", tmp_path / "config.yaml", ADMIN_TOKEN=token)
    assert named == [f"admin.token (from ADMIN_TOKEN): {problem}"]


@pytest.mark.parametrize(
    "upstream",
    [
        f"upstream: {{api_key: {TOKEN}}}",
        f"upstreams: [{{name: a, models: [b], base_url: 'http://c/v1', api_key: {TOKEN}}}]",
    ],
)
def test_an_origins_key_is_no_admin_token(tmp_path: Path, upstream: str) -> None:
    """Whoever knows the one must not have the other."""
    found = problems(f"admin: {{token: {TOKEN}}}\n{upstream}", tmp_path / "config.yaml")

    assert found == ["admin.token: is an upstream's api_key as well"]
