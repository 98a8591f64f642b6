"""From a file and the environment to a configuration."""

from pathlib import Path
from typing import get_args

import pytest

from proxy.config import Config, load
from proxy.config.loading import OVERRIDES
from proxy.config.vector import GuardName
from proxy.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def problems(file: Path, text: str, **environ: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environ)
    return caught.value.problems


def test_nothing() -> None:
    """Without a file and variables the defaults hold."""
    assert Config() == load(None, {})


@pytest.mark.parametrize("text", ["", "cache:\n  ttl:\n", "telemetry:\nserver: {}\n"])
def test_empty_sections(file: Path, text: str) -> None:
    """A section with every line commented out means its defaults."""
    file.write_text(text)

    assert Config() == load(file, {})


def test_file_over_defaults(file: Path) -> None:
    """What the file says holds, and the rest stays."""
    file.write_text("cache: {ttl: {rules: [{model: 'gpt-4o*', ttl_s: 60}]}, deadline_ms: 100}")
    cache = load(file, {}).cache

    assert cache.deadline_ms == 100
    assert (cache.ttl.rules[0].model, cache.ttl.rules[0].ttl_s) == ("gpt-4o*", 60)
    assert Config().cache.vector == cache.vector


def test_variables_become_numbers_and_switches(file: Path) -> None:
    """A variable's text is read as what its key wants; the same text in a secret stays text."""
    file.write_text(
        "server: {port: '${P}', expose_cache_headers: '${B}'}\nupstream: {api_key: '${P}'}"
    )
    config = load(file, {"P": "9000", "B": "false"})

    assert (config.server.port, config.server.expose_cache_headers) == (9000, False)
    assert config.upstream.api_key is not None
    assert config.upstream.api_key.get_secret_value() == "9000"


def test_environment_wins(file: Path) -> None:
    """A container's variables win over the file; empty ones are not set."""
    file.write_text("server: {port: 1, host: 127.0.0.2}\nupstream: {base_url: 'http://a/v1'}")
    config = load(
        file, {"PORT": "2", "HOST": "", "OPENAI_BASE_URL": "http://b/v1/", "REDIS_URL": "redis://r"}
    )

    assert (config.server.port, config.server.host) == (2, "127.0.0.2")
    assert config.upstream.base_url == "http://b/v1"
    assert config.cache.shared.url.get_secret_value() == "redis://r"
    assert config.cache.shared.sqlite_path is None


def test_workers_by_the_environment(file: Path) -> None:
    """A container without a file can have several workers; none is not a number of them."""
    file.write_text("{}")

    assert load(file, {"WORKERS": "4"}).server.workers == 4
    found = problems(file, "", WORKERS="0")
    assert found == ["server.workers (from WORKERS): the value is below 1"]


def test_every_override_is_a_key() -> None:
    """No variable writes to a key that does not exist."""
    for path in OVERRIDES.values():
        value: object = Config()
        for key in path:
            value = getattr(value, key)


def test_config_names_the_file(file: Path, tmp_path: Path) -> None:
    """`CONFIG` names the file when the caller does not, and only then."""
    file.write_text("server: {port: 1}")
    other = tmp_path / "other.yaml"
    other.write_text("server: {port: 2}")

    assert load(None, {"CONFIG": str(file)}).server.port == 1
    assert load(other, {"CONFIG": str(file)}).server.port == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cache: {vector: {threshold: 1.2}}", "cache.vector.threshold: 1.2 is above 1"),
        ("cache: {vectr: {}}", "cache.vectr: unknown key, did you mean vector?"),
        ("cache: {zzz: 1}", "cache.zzz: unknown key"),
        (
            "cache: {ttl: {rules: [{modle: x}]}}",
            "cache.ttl.rules[0].modle: unknown key, did you mean model?",
        ),
        (
            "telemetry: {prices: {m: {inputs: 1}}}",
            "telemetry.prices.m.inputs: unknown key, did you mean input?",
        ),
        ("server: {port: -1}", "server.port: -1 is below 0"),
        ("server: {port: 65536}", "server.port: 65536 is above 65535"),
        ("server: {port: yes}", "server.port: must be a number, not a switch"),
        ("server: {port: 1.5}", "server.port: must be a whole number"),
        ("server: {host: 5}", "server.host: must be text (quote it)"),
        ("server: {host: null}", "server.host: must be text (quote it)"),
        ("server: 3", "server: must be a section"),
        ("cache: {enabled: maybe}", "cache.enabled: must be true or false"),
        ("cache: {deadline_ms: .nan}", "cache.deadline_ms: must be a finite number"),
        ("cache: {deadline_ms: soon}", "cache.deadline_ms: must be a number"),
        (
            "cache: {tenancy: all}",
            "cache.tenancy: all is not one of credential, shared",
        ),
        ("cache: {ttl: {default_s: 0}}", "cache.ttl.default_s: 0 is not above 0"),
        ("cache: {ttl: {max_s: 60}}", "cache.ttl.default_s: 86400 is above max_s"),
        ("cache: {ttl: {rules: 3}}", "cache.ttl.rules: must be a list"),
        ("cache: {vector: {guards: none}}", "cache.vector.guards: none is not one of all"),
        (
            "cache: {vector: {guards: [number, nmber]}}",
            "cache.vector.guards[1]: nmber is not one of " + ", ".join(get_args(GuardName)),
        ),
        (
            "cache: {shared: {url: 'mysql://h'}}",
            "cache.shared.url: must start with sqlite:///, unix://, or redis:// (+sentinel://, +cluster://)",
        ),
        (
            "cache: {shared: {url: 'redis+sentinel://h:1,h:99999/main'}}",
            "cache.shared.url: must be redis+sentinel://host:26379,host:26379/service/0",
        ),
        (
            "cache: {shared: {url: 'redis+cluster://h:1/0'}}",
            "cache.shared.url: must be redis+cluster://host:6379,host:6379, without a database",
        ),
        (
            "cache: {shared: {url: 'redis+sentinel://h:1'}}",
            "cache.shared.url: must be redis+sentinel://host:26379,host:26379/service/0",
        ),
        (
            "cache: {shared: {url: 'redis://h', tls: {ca: ca.pem}}}",
            "cache.shared.tls: needs a url with rediss://",
        ),
        (
            "cache: {shared: {url: 'rediss://h?ssl_cert_reqs=none', tls: {ca: ca.pem}}}",
            "cache.shared.tls: excludes ssl_ options in url",
        ),
        (
            "cache: {shared: {url: 'rediss://h', tls: {key: key.pem}}}",
            "cache.shared.tls.key: needs certificate",
        ),
        (
            "cache: {shared: {url: 'redis://h', sentinel_password: x}}",
            "cache.shared.sentinel_password: needs a url with redis+sentinel://",
        ),
        (
            "cache: {shared: {url: 'sqlite://file.db'}}",
            "cache.shared.url: must be sqlite:///relative/file or sqlite:////absolute/file",
        ),
        (
            "cache: {shared: {url: 'redis://'}}",
            "cache.shared.url: must name a host, as in redis://host:6379/0",
        ),
        ("cache: {shared: {url: 'redis://h:x'}}", "cache.shared.url: is not a URL"),
        ("cache: {shared: {url: 'unix://'}}", "cache.shared.url: must be unix:///path/to/socket"),
        (
            "cache: {vector: {backend: redis}}",
            "cache.vector.redis.url: is needed: cache.shared.url is no Redis",
        ),
        (
            "cache: {vector: {redis: {url: 'sqlite:///x'}}}",
            "cache.vector.redis.url: must be a Redis, such as redis://host:6379/0",
        ),
        (
            "cache: {vector: {redis: {url: 'redis://h', tls: {ca: x}}}}",
            "cache.vector.redis.tls: needs a url with rediss://",
        ),
        ("upstream: {base_url: api}", "upstream.base_url: must be a URL like https://host/v1"),
        (
            "upstream: {base_url: 'https://h/v1?a=b'}",
            "upstream.base_url: must not have a query or fragment: paths are appended to it",
        ),
        (
            "embedder: {kind: openai}",
            "embedder.openai.api_key: is needed for api.openai.com",
        ),
        (
            "telemetry: {prices: {m: {input: -1}}}",
            "telemetry.prices.m.input: -1 is below 0",
        ),
    ],
)
def test_problem(file: Path, text: str, expected: str) -> None:
    """A problem is one line: where, and what, in plain words."""
    assert [expected] == problems(file, text)


def test_rewriting_needs_a_judge(file: Path) -> None:
    """Follow-ups are compared by meaning only where a judge reads both."""
    text = "cache: {{context: rewrite, judgement: {{verifier: none{llm}}}}}"
    llm = ", llm: {model: m, base_url: http://127.0.0.1:9/v1}"
    file.write_text(text.format(llm=llm))

    assert load(file, {}).cache.context == "rewrite"

    file.write_text(text.format(llm=""))
    with pytest.raises(ConfigError, match=r"cache\.context: needs judgement\.verifier"):
        load(file, {})


def test_a_rewriting_model_needs_what_it_works_with(file: Path) -> None:
    """A switch that would do nothing is refused, and the place of the mistake is named."""
    text = "cache: {{context: {}, judgement: {{llm: {{rewrite: true{}}}}}}}"
    llm = ", model: m, base_url: http://127.0.0.1:9/v1"
    file.write_text(text.format("rewrite", llm))
    assert load(file, {}).cache.judgement.llm.rewrite

    for context, model in (("exact", llm), ("rewrite", "")):
        file.write_text(text.format(context, model))
        with pytest.raises(ConfigError, match=r"cache\.judgement\.llm\.rewrite: needs"):
            load(file, {})


def test_all_problems_at_once(file: Path) -> None:
    """Every problem is said the first time, not one a run."""
    found = problems(file, "server: {port: -1, hots: x}\ncache: {tenancy: all}\nupstrem: {}")

    assert len(found) == 4


def test_problems_name_the_variable(file: Path) -> None:
    """A bad value that came from a variable is told by the variable's name."""
    assert problems(file, "", PORT="web") == ["server.port (from PORT): must be a whole number"]
    assert problems(file, "cache: {vector: {threshold: '${T}'}}", T="7") == [
        "cache.vector.threshold (from T): the value is above 1"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "upstream: {base_url: 'https://user:hunter2@h/v1'}",
        "cache: {shared: {url: 'redis://:hunter2@'}}",
        "cache: {shared: {url: 'redis://:hunter2@h:port'}}",
        "cache: {tenancy: '${SECRET}'}",
        "cache: {deadline_ms: '${SECRET}'}",
        "server: {trusted_tenant_header: 'hunter2 hunter2'}",
        "upstream: {api_key: [hunter2]}",
    ],
)
def test_problems_keep_secrets(file: Path, text: str) -> None:
    """No problem quotes what may be a secret, in its text or in a chained error."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {"SECRET": "hunter2"})

    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("127.0.0.1", "http://localhost:8080/v1"),
        ("0.0.0.0", "http://127.0.0.1:8080/v1"),
        ("::", "http://[::1]:8080/v1"),
        ("cache.internal", "http://cache.internal:8080/v1"),
    ],
)
def test_refuses_to_ask_itself(file: Path, host: str, base_url: str) -> None:
    """An `OPENAI_BASE_URL` that was meant for the SDKs does not make a loop."""
    expected = "upstream.base_url (from OPENAI_BASE_URL): is this proxy's own address"

    assert [expected] == problems(file, "", HOST=host, OPENAI_BASE_URL=base_url)


@pytest.mark.parametrize("base_url", ["http://localhost:8081/v1", "http://10.0.0.1:8080/v1"])
def test_another_local_server_is_fine(base_url: str) -> None:
    """A model server beside the proxy, or the same port elsewhere, is an origin like any other."""
    assert base_url == load(None, {"OPENAI_BASE_URL": base_url}).upstream.base_url


def test_override_into_a_broken_section(file: Path) -> None:
    """A variable does not hide that the section it writes to is no section."""
    assert problems(file, "cache: {shared: 5}", REDIS_URL="redis://h") == [
        "cache.shared: must be a section"
    ]
    assert problems(file, "cache: 5", REDIS_URL="redis://h") == ["cache: must be a section"]
