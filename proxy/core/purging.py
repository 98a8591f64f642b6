"""A purge that is made again and again: what it means at a given time."""

from dataclasses import dataclass

from proxy.core.canonical import dumps
from proxy.core.changes import ALL_TENANTS, Selector
from proxy.core.model import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledPurge:
    """Which entries are forgotten, of all tenants, and when. All conditions given must hold.

    Attributes:
        cron: When, in UTC, as in a crontab.
        tags: Entries that carry any of these.
        model, namespace: These only.
        older_than_s: Stored longer ago than so many seconds.
        everything: No condition is given.
    """

    cron: str
    tags: tuple[str, ...] = ()
    model: str | None = None
    namespace: str | None = None
    older_than_s: float | None = None
    everything: bool = False

    @property
    def id(self) -> str:
        """The same wherever the same is configured."""
        chosen = [self.tags, self.model, self.namespace, self.older_than_s, self.everything]
        return digest(self.cron.encode(), dumps(chosen))

    def selector(self, now: float) -> Selector:
        """What is meant when it is made at that time."""
        age = self.older_than_s
        return Selector(
            ALL_TENANTS,
            tags=self.tags,
            model=self.model,
            namespace=self.namespace,
            older_than=None if age is None else now - age,
            everything=self.everything,
        )

    @property
    def told(self) -> dict[str, str | float]:
        """What an event says of it."""
        fields: dict[str, str | float | None] = {
            "cron": self.cron,
            "tags": ", ".join(self.tags) or None,
            "model": self.model,
            "namespace": self.namespace,
            "older_than_s": self.older_than_s,
        }
        return {name: value for name, value in fields.items() if value is not None}
