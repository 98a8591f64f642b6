"""Whose a key is, and what it may be used for."""

from hashlib import sha256

import pytest

from proxy.core.access import Key, Keys
from proxy.core.quotas import Terms
from proxy.errors import ForbiddenError, UnauthorizedError


def key(name: str = "ada", **more: tuple[str, ...]) -> Key:
    return Key(name, sha256(name.encode()).hexdigest(), name, Terms(), **more)


KEYS = Keys([key("ada"), key("bob")])


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer ada"},
        {"authorization": "bearer  ada "},
        {"api-key": "ada"},
        {"x-api-key": "ada"},
        {"authorization": "Basic YTpi", "x-api-key": "ada"},
    ],
)
def test_a_key_is_known_wherever_clients_put_it(headers: dict[str, str]) -> None:
    """As a bearer token, as Azure's clients send it, or Anthropic's."""
    found = KEYS.holder(headers)

    assert found is not None
    assert found.name == "ada"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "ada"},
        {"authorization": "Bearer Ada"},
        {"authorization": "Bearer ada, Bearer bob"},
        {"authorization": f"Bearer {sha256(b'ada').hexdigest()}"},
        {"authorization": "Bearer eve", "x-api-key": "ada"},
        {"x-api-key": "\udcff"},
        {"cookie": "key=ada"},
    ],
)
def test_anything_else_is_none(headers: dict[str, str]) -> None:
    """No key, a wrong one, its digest, two at once, one where none belongs: all are refused."""
    with pytest.raises(UnauthorizedError) as refused:
        KEYS.holder(headers)

    assert refused.value.code == "invalid_api_key"
    assert refused.value.headers["www-authenticate"].startswith("Bearer")


def test_without_keys_anybody_may_come() -> None:
    """Keys are asked for where there are any."""
    assert Keys().holder({}) is None


@pytest.mark.parametrize(
    ("namespace", "model", "code"),
    [
        ("docs-a", "gpt-4o", None),
        ("docs-a", "gpt-4o-mini", None),
        ("", "gpt-4o", "namespace_not_allowed"),
        ("Docs-a", "gpt-4o", "namespace_not_allowed"),
        ("docs-a", "o3", "model_not_allowed"),
        ("docs-a", "", "model_not_allowed"),
    ],
)
def test_a_key_has_its_bounds(namespace: str, model: str, code: str | None) -> None:
    """Names and patterns say where it may be used, and which models it may ask."""
    bounded = key(namespaces=("docs*",), models=("gpt-4o*",))
    if code is None:
        bounded.permit(namespace, (model,))
        return
    with pytest.raises(ForbiddenError) as refused:
        bounded.permit(namespace, (model,))

    assert refused.value.code == code


def test_every_model_that_is_named_must_be_allowed() -> None:
    """A path may name another one than the body does."""
    with pytest.raises(ForbiddenError):
        key(models=("gpt-4o",)).permit("", ("gpt-4o", "o3"))


def test_the_default_namespace_has_a_name_in_the_bounds() -> None:
    """An empty pattern is that of requests which name none."""
    key(namespaces=("",)).permit("", ("m",))


def test_what_is_not_read_is_for_who_may_ask_any_model() -> None:
    """Nobody knows which model it asks."""
    key().permit_unread()
    with pytest.raises(ForbiddenError):
        key(models=("gpt-4o",)).permit_unread()
