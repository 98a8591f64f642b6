"""Reprise: an OpenAI-compatible reverse proxy that answers from a semantic cache.

The map. A request goes down once and up once, and imports go down only:

    web         reads it: body, headers, caller, and writes the reply
    batching    answers an embeddings request, input by input (`batchcalls` asks the origin)
    gateway     answers it: replays a hit, or passes on what the origin says
    asking      asks the origin, keeps its answer, and has it compared
    repeats     says whether an answer of the exact tiers holds again, and counts it
    searching   drives the lookup against the tiers; core.lookup decides what is asked next
    learning    says which hits are proven right, where that is asked for
    marking     says which matches a caller has called wrong
    comparing   says whether two answers agree
    flights     one upstream call per key, however many callers wait
    coalescing  which replica makes it
    storing     keeps an answer in every tier
    backlog     what the shared tier could not take, until it can
    tiers, embedding, verifying, upstream, telemetry    every I/O library has its home here
    resilience  a part of the cache that fails or is late is "nothing found"
    ports       where the program meets its adapters
    core        decides: keys, directives, freshness, judgement, streams; no I/O, no clock

Looked for most: similarities that are enough, `core/judgement/thresholds`; headers of a reply,
`core/status`, and of a request, `core/directives`. `parts/semantic` builds the embedder,
`parts/indexing` the index, `parts/sharing` the shared tier: docs/contributing.md adds one of each.

`supervisor` keeps several processes of `serving` on one port, where that is asked for.
`runtime` starts and closes what `parts` builds from `config`; `upkeep` follows the shared tier's
change log, from which the index and the session tiers are derived. `migration` moves the index to
another backend. `forgetting` forgets on purpose, `feedback` takes a caller's verdict, `explaining`
tells every stage's word, `reloading` has a running cache follow another configuration. `cli` and
`web.admin` are for operators, `measuring` is what commands measure. `library` is the same cache
without HTTP:

    async with open_cache(config) as cache:
        answered = await cache.ask(request, origin)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proxy.config import Config, load
    from proxy.library import Answered, Cache, open_cache

__all__ = ["Answered", "Cache", "Config", "load", "open_cache"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Import a public name when it is first used: `reprise --help` need not load a model."""
    if name in {"Config", "load"}:
        from proxy import config  # noqa: PLC0415 - see above

        return getattr(config, name)
    if name in __all__:
        from proxy import library  # noqa: PLC0415 - see above

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
