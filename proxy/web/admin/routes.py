"""Which path of the admin API does what."""

from typing import Final

from aiohttp import web

from proxy.web.admin import (
    entries,
    events,
    explaining,
    exporting,
    forgetting,
    importing,
    replicas,
    settings,
    stats,
    watching,
)
from proxy.web.admin.acting import guarded

ROOT: Final = "/admin/v1"
INVALIDATE: Final = f"{ROOT}/invalidate"
STATS: Final = f"{ROOT}/stats"
CONFIG: Final = f"{ROOT}/config"
RELOAD: Final = f"{CONFIG}/reload"
REPLICAS: Final = f"{ROOT}/replicas"
REQUESTS: Final = f"{ROOT}/requests"
DECISIONS: Final = f"{ROOT}/decisions"
HISTORY: Final = f"{ROOT}/history"
EVENTS: Final = f"{ROOT}/events"
EXPLAIN: Final = f"{ROOT}/explain"
EXPORT: Final = f"{ROOT}/export"
IMPORT: Final = f"{ROOT}/import"
ENTRIES: Final = f"{ROOT}/entries"
ENTRY: Final = f"{ENTRIES}/{{id}}"


def add(router: web.UrlDispatcher) -> None:
    """Have an application answer them."""
    router.add_post(INVALIDATE, guarded("invalidate", forgetting.handle))
    router.add_get(STATS, guarded("stats", stats.handle))
    router.add_get(CONFIG, guarded("config", settings.handle))
    router.add_post(RELOAD, guarded("reload", settings.handle_reload))
    router.add_get(REPLICAS, guarded("replicas", replicas.handle))
    router.add_get(REQUESTS, guarded("list_requests", watching.handle_requests))
    router.add_get(DECISIONS, guarded("decisions", watching.handle_decisions))
    router.add_get(HISTORY, guarded("history", watching.handle_history))
    router.add_get(EVENTS, guarded("follow_events", events.handle))
    router.add_post(EXPLAIN, guarded("explain", explaining.handle))
    router.add_get(EXPORT, guarded("export", exporting.handle))
    router.add_post(IMPORT, guarded("import", importing.handle))
    router.add_get(ENTRIES, guarded("list_entries", entries.handle_list))
    router.add_get(ENTRY, guarded("show_entry", entries.handle_one))
    router.add_delete(ENTRY, guarded("delete_entry", entries.handle_delete))
