"""Configurations for a cache of one's own, so that what is measured meets and leaves nothing."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.config import Config
from proxy.migration import clear

DEADLINE_MS = 60_000.0
"""The most that `cache.deadline_ms` may be."""


@contextmanager
def apart_in_its_backend(config: Config, folder: Path) -> Iterator[Config]:
    """The same as `apart`, but an index in Redis is there too, and deleted at the end.

    Raises:
        MigrationError: At the end, when it cannot be deleted.
    """
    mine = apart(config, folder)
    if config.cache.vector.backend == "faiss":
        yield mine
        return
    chosen, (url, tls) = config.cache.vector.redis, config.cache.index_server
    prefix = f"reprise-eval-{secrets.token_hex(6)}"
    redis = chosen.model_copy(update={"url": url, "tls": tls, "key_prefix": prefix})
    vector = mine.cache.vector.model_copy(update={"backend": "redis", "redis": redis})
    cache = mine.cache.model_copy(update={"vector": vector})
    mine = mine.model_copy(update={"cache": cache})
    try:
        yield mine
    finally:
        clear(mine)


def apart(config: Config, folder: Path) -> Config:
    """The configuration, with all that it writes in this folder, its index too."""
    chosen = config.cache
    url = f"sqlite:///{(folder / 'entries.db').as_posix()}"
    shared = type(chosen.shared).model_validate({"url": url})
    vector = chosen.vector.model_copy(
        update={"backend": "faiss", "snapshot": folder / "index.snapshot", "reembed_per_s": 0}
    )
    # What is measured on must not come back as what is learned from.
    llm = chosen.judgement.llm.model_copy(update={"verdicts_file": None})
    judgement = chosen.judgement.model_copy(update={"llm": llm})
    cache = {
        "shared": shared,
        "purges": (),
        "vector": vector,
        "judgement": judgement,
        "deadline_ms": DEADLINE_MS,
    }
    telemetry = {"count_tokens": False, "log_level": "warning", "traces": False}
    return config.model_copy(
        update={
            "cache": chosen.model_copy(update=cache),
            "telemetry": config.telemetry.model_copy(update=telemetry),
        }
    )
