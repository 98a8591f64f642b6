"""Opens a cache for one question of `reprise explain`, and closes it after.

A comparison needs no entries, and meets an empty cache in a temporary folder. A look-up meets the
entries that the configuration names, as a further replica would: its index starts from a copy of
the snapshot, or is the one in Redis, and nothing is stored.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from proxy.config import Config
from proxy.core.dialects.chat import Chat
from proxy.core.explaining import Comparison, Explanation
from proxy.core.reading import Understood
from proxy.errors import ApiError, RepriseError, TierError
from proxy.explaining import Explainer
from proxy.measuring.apart import apart
from proxy.runtime import Runtime, open_runtime
from proxy.web import callers, imagined

Json = dict[str, Any]
T = TypeVar("T")


class ExplanationError(RepriseError):
    """The operator's fault: a request that cannot be read, or a cache that cannot be asked."""


def compare(config: Config, new: Json, cached: Json, headers: Mapping[str, str]) -> Comparison:
    """Whether `new` would be answered with the answer to `cached`.

    Args:
        config: What the proxy would be started with.
        new: The body of the request that asks.
        cached: The body of the one that was answered.
        headers: Of both, by lower-case name.

    Raises:
        ExplanationError: A body or header cannot be read, or a part of the cache does not work.
        ConfigError: The configuration names something that does not exist.
    """

    async def ask(runtime: Runtime) -> Comparison:
        ours, theirs = (_read(runtime, body, headers) for body in (new, cached))
        return await Explainer(runtime).compare(ours, theirs)

    with tempfile.TemporaryDirectory(prefix="reprise-explain-") as folder:
        return asyncio.run(_with(apart(config, Path(folder)), ask))


def look_up(config: Config, body: Json, headers: Mapping[str, str]) -> Explanation:
    """What the configured cache would do with a request now. The rest is as with `compare`."""

    async def ask(runtime: Runtime) -> Explanation:
        understood = _read(runtime, body, headers)
        try:
            await runtime.upkeep.catch_up()
        except TierError as error:
            raise ExplanationError(f"the cache's shared tier does not work: {error}") from error
        return await Explainer(runtime).explain(understood)

    path = config.cache.shared.sqlite_path
    if path is not None and not path.exists():
        raise ExplanationError(f"{path}: there is no cache yet")
    with tempfile.TemporaryDirectory(prefix="reprise-explain-") as folder:
        return asyncio.run(_with(_beside(config, Path(folder)), ask))


def _beside(config: Config, folder: Path) -> Config:
    """The configuration, with its entries and an index of its own; quiet and patient."""
    mine = apart(config, folder)
    snapshot, chosen = config.cache.vector.snapshot, mine.cache
    if snapshot.exists():
        shutil.copyfile(snapshot, chosen.vector.snapshot)
    shared, vector = config.cache.shared, chosen.vector
    if config.cache.vector.backend == "redis":  # which has no copy: it is asked as replicas do
        vector = config.cache.vector
    vector = vector.model_copy(update={"reembed_per_s": 0})  # it only looks
    cache = chosen.model_copy(update={"shared": shared, "vector": vector})
    return mine.model_copy(update={"cache": cache})


async def _with(config: Config, ask: Callable[[Runtime], Awaitable[T]]) -> T:
    """Ask a cache; what goes wrong in it is said on stderr."""
    async with open_runtime(config, sys.stderr) as runtime:
        for part, reason in runtime.trouble().items():
            if reason is not None:
                raise ExplanationError(f"the cache's {part} does not work: {reason}")
        return await ask(runtime)


def _read(runtime: Runtime, body: Json, headers: Mapping[str, str]) -> Understood:
    heeded = {name: value for name, value in headers.items() if name in imagined.TAKEN}
    try:
        tenant = callers.caller(headers, runtime.config, runtime.keys).tenant
        _, understood = imagined.read(
            runtime, body, path=Chat().path, headers=heeded, tenant=tenant
        )
    except ApiError as error:
        raise ExplanationError(error.message) from error
    if understood.bypass == "unreadable":
        raise ExplanationError("a request is not a chat completion request")
    return understood
