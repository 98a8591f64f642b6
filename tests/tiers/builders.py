"""What the tier suites build their conversations from."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from proxy.core.changes import Added, Changes, Removed, Selector
from proxy.core.model import Answer, Entry, Scope, Usage, Vector
from proxy.ports import SharedTier
from proxy.tiers.redis import RedisTier
from proxy.tiers.redislink import RedisLink

DIMENSION = 8
EMBEDDER = "test-embedder/8"


class FakeClock:
    """Stands still until told. It starts now, because a real Redis expires by its own clock."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Events:
    """An `Observer.event` that remembers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, object]]] = []

    def __call__(self, name: str, **fields: object) -> None:
        self.heard.append((name, fields))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.heard]


def unit(seed: int, dimension: int = DIMENSION) -> Vector:
    """A unit vector, the same for the same seed."""
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def scope(tenant: str = "acme", namespace: str = "", model: str = "gpt", system: str = "") -> Scope:
    return Scope(tenant, namespace, "chat", model, system=system)


def entry(
    question: str,
    clock: FakeClock,
    *,
    where: Scope | None = None,
    ttl: float = 100.0,
    seed: int | None = 1,
    **fields: Any,
) -> Entry:
    """An entry stored now; `seed=None` leaves it without a vector."""
    where = where or scope()
    made = Entry(
        id=where.key(question),
        scope=where.id,
        tenant=where.tenant,
        namespace=where.namespace,
        model=where.model,
        question=question,
        answer=Answer(
            body=f'{{"answer": "to {question}"}}'.encode(),
            frames=(b'{"delta": 1}', b'{"delta": 2}'),
            usage=Usage(3, 5),
            finish=("stop",),
        ),
        created_at=clock(),
        expires_at=clock() + ttl / 2,
        kept_until=clock() + ttl,
        vector=None if seed is None else unit(seed),
        embedder="" if seed is None else EMBEDDER,
    )
    return replace(made, **fields)


def redis_tier(
    url: str, clock: FakeClock, events: Events, prefix: str = "p", **options: Any
) -> RedisTier:
    """A tier with a link of its own, not started."""
    link = RedisLink(url, **options)
    return RedisTier(link, prefix=prefix, clock=clock, on_event=events)


def added(made: Entry) -> Added:
    """The change that storing this entry makes."""
    assert made.vector is not None

    return Added(made.id, made.scope, made.question, made.vector, made.embedder, made.kept_until)


class Fold:
    """A reader of the change log that keeps what an index keeps, and checks what it is given."""

    def __init__(self, tier: SharedTier, limit: int = 3) -> None:
        self._tier = tier
        self._limit = limit
        self.position: str | None = None
        self.held: dict[str, Added] = {}
        self.removed: list[str] = []
        self.forgotten: list[Selector] = []
        self.resets = 0

    @property
    def ids(self) -> set[str]:
        return set(self.held)

    async def step(self) -> Changes:
        """Read one stretch."""
        changes = await self._tier.changes(self.position, self._limit)
        self.position = changes.position
        if changes.reset:
            self.resets += 1
            self.held.clear()
        for item in changes.items:
            if isinstance(item, Removed):
                self.held.pop(item.id, None)
                self.removed.append(item.id)
            elif isinstance(item, Added):
                self.held[item.id] = item
            else:
                self.forgotten.append(item.selector)
        return changes

    async def catch_up(self) -> None:
        """Read until there is no more."""
        while (await self.step()).more:
            pass
