"""One upstream call per key over all replicas: take turns by a lease in the shared tier.

A flight (`proxy.flights`) is one call per key in this process; before it asks the origin it takes
its turn here. `proxy.core.coalescing` decides, this drives: it claims, waits, keeps the lease alive
while the origin answers, and gives it back. Rule of the file: nothing fails here. Where the shared
tier is away or late, the flight asks at once, as in a process alone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Final, TypeVar

from proxy.core.coalescing import (
    Answered,
    Ask,
    Claim,
    Turn,
    Wait,
    call_key,
    decide,
    waits_its_turn,
)
from proxy.core.model import CacheRequest, Directives, Lease
from proxy.errors import TierError
from proxy.ports import Clock, Leases, SharedTier
from proxy.resilience import Deadline, Stage, Tasks

T = TypeVar("T")

LEASE_S: Final = 5.0
LOOK_S: Final = 1.0

AT_ONCE_S: Final = 0.001
"""What is left of the lease of a holder who gives up: it lapses, and another takes his place."""


class Turns:
    """Whose turn it is to ask.

    Args:
        leases: Of all replicas.
        shared: The shared tier and its stage, in which answers arrive.
        tasks: Owns the renewals.
        clock: The time now.
        deadline_s: How long one word with the shared tier may take.
        wait_s: How long a request waits for another replica's answer; 0 takes no turns.
        lease_s: How long the others wait for a holder who has died. Renewed at a third.
        look_s: Between two claims of who waits: a release wakes him, a death does not.
    """

    def __init__(
        self,
        leases: Leases,
        shared: tuple[SharedTier, Stage],
        *,
        tasks: Tasks,
        clock: Clock,
        deadline_s: float,
        wait_s: float,
        lease_s: float = LEASE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._leases = leases
        self._shared, self._stage = shared
        self._tasks = tasks
        self._clock = clock
        self._deadline_s = deadline_s
        self._wait_s = wait_s
        self._lease_s = lease_s
        self._look_s = look_s

    def are_taken(self, asked: Directives) -> bool:
        """Whether this request has to wait for its turn: whether others could ask the same."""
        return self._wait_s > 0 and waits_its_turn(asked) and not self._leases.are_needless

    @asynccontextmanager
    async def taken(self, request: CacheRequest, credential: str) -> AsyncIterator[Turn]:
        """What to do: ask, or be answered by what another replica was told.

        The lease is held inside the block. Leaving it by an error or a cancellation means that the
        origin was not heard to its end, and that another replica may ask in our place.
        """
        turn: Turn = await self._await_turn(request, credential)
        lease = turn.lease if isinstance(turn, Ask) else None
        if lease is None:
            yield turn
            return
        try:
            with self._renewed(lease):
                yield turn
        except BaseException:
            await self._let_lapse(lease)
            raise
        await self._give_back(lease)

    async def _await_turn(self, request: CacheRequest, credential: str) -> Turn:
        key = call_key(request, credential)
        ends = monotonic() + self._wait_s
        is_over = False
        while True:
            claim = await self._claim(request, None if is_over else key)
            step = decide(
                claim,
                request.directives,
                left=ends - monotonic(),
                is_over=is_over,
                look_s=self._look_s,
            )
            if isinstance(step, Answered) and claim is not None and claim.lease is not None:
                await self._give_back(claim.lease)
            if not isinstance(step, Wait):
                return step
            waited = await self._wait(key, step.seconds)
            if waited is None:
                return Ask()
            is_over = waited

    async def _wait(self, key: str, seconds: float) -> bool | None:
        """Whether the lease was given back; None when nobody can tell."""
        try:
            async with asyncio.timeout(seconds + self._deadline_s):
                return await self._leases.wait(key, seconds)
        except (TierError, TimeoutError):
            return None

    async def _claim(self, request: CacheRequest, key: str | None) -> Claim | None:
        """Ask for the lease of this key, if there is one, and for the entry, in one round trip."""

        async def ask() -> Claim:
            now, scope = self._clock(), request.scope.id
            if key is None:
                return Claim(None, await self._shared.get(scope, request.key), now)
            return Claim(*await self._leases.claim(key, self._lease_s, scope), now)

        if self._stage.trouble:
            return None
        claiming = self._tasks.start("claim lease", self._told(ask))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:  # the lease may be ours all the same
            self._tasks.run("give lease up", self._give_up(claiming))
            raise

    async def _give_up(self, claiming: "asyncio.Task[Claim | None]") -> None:
        claim = await claiming
        if claim is not None and claim.lease is not None:
            await self._let_lapse(claim.lease)

    @contextmanager
    def _renewed(self, lease: Lease) -> Iterator[None]:
        """Keep it inside the block; a call that is over before the first renewal has no task."""
        renewing: list[asyncio.Task[None]] = []

        def begin() -> None:
            renewing.append(self._tasks.start("renew lease", self._renew(lease)))

        timer = asyncio.get_running_loop().call_later(self._lease_s / 3, begin)
        try:
            yield
        finally:
            timer.cancel()
            for task in renewing:
                task.cancel()

    async def _renew(self, lease: Lease) -> None:
        """For as long as it is ours. A renewal that fails is tried again before the lease ends."""
        is_ours: bool | None = True
        while is_ours is not False:
            is_ours = await self._told(lambda: self._leases.renew(lease, self._lease_s))
            await asyncio.sleep(self._lease_s / 3)

    async def _give_back(self, lease: Lease) -> None:
        await self._told(lambda: self._leases.release(lease))

    async def _let_lapse(self, lease: Lease) -> None:
        await self._told(lambda: self._leases.renew(lease, AT_ONCE_S))

    async def _told(self, write: Callable[[], Awaitable[T]]) -> T | None:
        """What the shared tier says. One that refuses writes is not asked less for that."""
        return await self._stage.tell(write, Deadline(self._deadline_s))
