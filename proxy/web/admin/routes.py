"""Which path of the admin API does what."""

from typing import Final

from aiohttp import web

from proxy.web.admin import entries, forgetting, settings, stats
from proxy.web.admin.acting import guarded

ROOT: Final = "/admin/v1"
INVALIDATE: Final = f"{ROOT}/invalidate"
STATS: Final = f"{ROOT}/stats"
CONFIG: Final = f"{ROOT}/config"
ENTRIES: Final = f"{ROOT}/entries"
ENTRY: Final = f"{ENTRIES}/{{id}}"


def add(router: web.UrlDispatcher) -> None:
    """Have an application answer them."""
    router.add_post(INVALIDATE, guarded("invalidate", forgetting.handle))
    router.add_get(STATS, guarded("stats", stats.handle))
    router.add_get(CONFIG, guarded("config", settings.handle))
    router.add_get(ENTRIES, guarded("list_entries", entries.handle_list))
    router.add_get(ENTRY, guarded("show_entry", entries.handle_one))
    router.add_delete(ENTRY, guarded("delete_entry", entries.handle_delete))
