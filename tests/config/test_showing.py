"""The configuration as it holds, without its secrets."""

import yaml

from proxy.config import Config, effective, effective_yaml
from proxy.config.section import HIDDEN

SECRET = "hunter2"


def secretive(url: str = f"redis://user:{SECRET}@host:6379/0") -> Config:
    return Config.model_validate(
        {
            "upstream": {"api_key": SECRET},
            "embedder": {"openai": {"api_key": SECRET}},
            "cache": {"shared": {"url": url}},
        }
    )


def test_secrets_are_hidden() -> None:
    """No way of showing a configuration shows a secret."""
    config = secretive()

    for text in (repr(config), str(config), effective_yaml(config), config.model_dump_json()):
        assert SECRET not in text


def test_what_stands_for_a_secret() -> None:
    """A key that is set can be told from one that is not, and a URL's host stays readable."""
    shown = effective(secretive())

    assert shown["upstream"]["api_key"] == HIDDEN
    assert effective(Config())["upstream"]["api_key"] is None
    assert f"redis://user:{HIDDEN}@host:6379/0" == shown["cache"]["shared"]["url"]


def test_urls() -> None:
    """Wherever a URL can carry a password, it is hidden; one without is shown as it is."""
    urls = {
        f"redis://:{SECRET}@h": f"redis://:{HIDDEN}@h",
        f"redis://h?password={SECRET}&db=1": f"redis://h?password={HIDDEN}&db=1",
        f"rediss://a:{SECRET}@h?ssl_password={SECRET}": f"rediss://a:{HIDDEN}@h?ssl_password={HIDDEN}",
        f"redis://a:x@{SECRET}@h": f"redis://a:{HIDDEN}@h",
        f"redis+sentinel://a:{SECRET}@h:1,g:2/m/0": f"redis+sentinel://a:{HIDDEN}@h:1,g:2/m/0",
        "redis+sentinel://h:1,[::1]:2/m": "redis+sentinel://h:1,[::1]:2/m",
        "sqlite:///data/x.db": "sqlite:///data/x.db",
        "redis://user@h": "redis://user@h",
        "redis://h:6379": "redis://h:6379",
    }

    assert urls == {url: effective(secretive(url))["cache"]["shared"]["url"] for url in urls}


def test_shown_yaml_can_be_read_back() -> None:
    """What `reprise check` prints is a configuration again."""
    assert Config() == Config.model_validate(yaml.safe_load(effective_yaml(Config())))
