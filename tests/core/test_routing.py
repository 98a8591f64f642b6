"""Which origin a request goes to."""

import pytest

from proxy.core.routing import DEFAULT, Destination, Route, Routes

ROUTES = Routes(
    [
        Route("claude", ("claude-*", "opus")),
        Route("ollama", ("llama*",), "/ollama"),
        Route("late", ("claude-late", "mistral?")),
    ]
)


@pytest.mark.parametrize(
    ("path", "origin", "below"),
    [
        ("/v1/chat/completions", DEFAULT, "/chat/completions"),
        ("/v1/files/a%2Fb?x=%20y", DEFAULT, "/files/a%2Fb?x=%20y"),
        ("/ollama/v1/chat/completions", "ollama", "/chat/completions"),
        ("/ollama/chat/completions?x", "ollama", "/chat/completions?x"),
        ("/ollama/v1beta/models", "ollama", "/v1beta/models"),
        ("/ollamas/v1/models", DEFAULT, "/ollamas/v1/models"),
        ("/ollama", "ollama", ""),
    ],
)
def test_by_path(path: str, origin: str, below: str) -> None:
    """A prefix is a whole segment; behind it, as without one, `/v1` is the origin's own root."""
    to = ROUTES.of(path)

    assert (to.origin, to.path) == (origin, below)
    assert to.by_path == (origin != DEFAULT)


@pytest.mark.parametrize(
    ("model", "origin"),
    [
        ("claude-sonnet", "claude"),
        ("opus", "claude"),
        ("claude-late", "claude"),
        ("mistral7", "late"),
        ("mistral", DEFAULT),
        ("Claude-sonnet", DEFAULT),
        ("", DEFAULT),
    ],
)
def test_by_model(model: str, origin: str) -> None:
    """The first upstream with a name or pattern for the model; case matters."""
    assert ROUTES.for_model(Destination(DEFAULT, "/x"), model) == Destination(origin, "/x")


def test_a_path_wins_over_a_model() -> None:
    """Who says where is not sent elsewhere."""
    to = ROUTES.of("/ollama/v1/chat/completions")

    assert ROUTES.for_model(to, "claude-sonnet") is to
