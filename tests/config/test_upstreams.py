"""Several upstreams: each has a use, a name of its own, and names others that exist."""

from pathlib import Path

import pytest

from proxy.config import load
from proxy.errors import ConfigError

BASE = "base_url: http://h/v1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"upstreams: [{{name: a, {BASE}}}]", "upstreams[0]: is never asked"),
        (
            f"upstreams: [{{name: a, {BASE}, models: [m]}}, {{name: a, {BASE}, models: [n]}}]",
            "upstreams[1].name: 'a' is the name of another upstream",
        ),
        (
            f"upstreams: [{{name: a, {BASE}, path_prefix: /v1}}]",
            "upstreams[0].path_prefix: /v1 is this proxy's own",
        ),
        (
            (
                f"upstreams: [{{name: a, {BASE}, path_prefix: /x}}, "
                f"{{name: b, {BASE}, path_prefix: /x}}]"
            ),
            "upstreams[0].path_prefix: /x is another's as well",
        ),
        ("upstream: {fallbacks: [a]}", "upstream.fallbacks[0]: 'a' is no other upstream's name"),
        (
            f"upstreams: [{{name: a, {BASE}, models: [m], fallbacks: [a]}}]",
            "upstreams[0].fallbacks[0]: 'a' is no other upstream's name",
        ),
        (
            "upstreams: [{name: a, base_url: 'http://127.0.0.1:8080/v1', models: [m]}]",
            "upstreams[0].base_url: is this proxy's own address",
        ),
        (
            f"upstreams: [{{name: a, {BASE}, path_prefix: x/}}]",
            "upstreams[0].path_prefix: has characters that are not allowed",
        ),
        (f"upstreams: [{{{BASE}, models: [m]}}]", "upstreams[0].name: is missing"),
        (
            f"upstreams: [{{name: a, {BASE}, model: m}}]",
            "upstreams[0].model: unknown key, did you mean models?",
        ),
    ],
)
def test_what_does_not_fit_is_told(text: str, problem: str, tmp_path: Path) -> None:
    """The key at fault, and why."""
    file = tmp_path / "config.yaml"
    file.write_text(text)

    with pytest.raises(ConfigError) as refused:
        load(file, {})

    assert any(line.startswith(problem) for line in refused.value.problems), refused.value.problems


def test_what_fits_is_taken(tmp_path: Path) -> None:
    """A fallback needs no other use, and a key may come from the environment."""
    file = tmp_path / "config.yaml"
    file.write_text(
        "upstream: {fallbacks: [b]}\n"
        f"upstreams: [{{name: b, {BASE}, api_key: '${{KEY}}', send_model: mini}}]"
    )
    config = load(file, {"KEY": "secret"})

    assert config.upstream.fallbacks == ("b",)
    assert config.upstreams[0].api_key is not None
    assert config.upstreams[0].api_key.get_secret_value() == "secret"
