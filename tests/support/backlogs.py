"""A backlog for tests."""

from proxy.backlog import Backlog
from proxy.ports import Observer
from proxy.tiers.session import size_of


def backlog_of(observer: Observer, *, max_entries: int = 100, max_bytes: int = 1 << 20) -> Backlog:
    """Room for what a test stores, unless it says otherwise."""
    return Backlog(max_entries=max_entries, max_bytes=max_bytes, size_of=size_of, observer=observer)
