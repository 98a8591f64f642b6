"""Who is let in: whoever has a key, where keys are asked for, and no more requests than may be.

What the proxy says of itself is open to all, and the admin API and its page have their own token.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil
from time import monotonic
from typing import Final

from aiohttp import web

from proxy.core.access import Key
from proxy.core.model import Outcome, Result, Scope
from proxy.core.quotas import Left, Terms
from proxy.errors import ApiError, RateLimitedError
from proxy.runtime import Runtime
from proxy.web import callers
from proxy.web.keys import REQUEST_ID, RUNTIME

OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics", "/dashboard"})
OWN: Final = ("/admin/", "/dashboard/")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is let in.

    Attributes:
        who: Whose quota it is: the tenant.
        terms: How much he may ask.
        key: His; None where none is asked for.
    """

    who: str
    terms: Terms
    key: Key | None = None

    @property
    def is_limited(self) -> bool:
        """Whether another request of his may be refused."""
        return self.terms.per_minute is not None or self.terms.concurrent is not None


VISITOR = web.RequestKey("visitor", Visitor)
"""Only where keys or limits are configured."""

LEFT = web.RequestKey("left", Left)
"""Only where requests a minute are limited."""


@contextmanager
def entered(request: web.Request) -> Iterator[None]:
    """Let a request in for as long as the block takes.

    Raises:
        UnauthorizedError: It has no valid key.
        RateLimitedError: Its caller has asked enough.
        OverloadedError: Too many are under way.
    """
    if request.path in OPEN or request.path.startswith(OWN):
        yield
        return
    with ExitStack() as stack:
        try:
            _enter(request, request[RUNTIME], stack)
        except ApiError as error:
            tell(request, error)
            raise
        yield


def _enter(request: web.Request, runtime: Runtime, stack: ExitStack) -> None:
    stack.enter_context(runtime.in_flight.one())
    visitor = _visitor(request, runtime)
    if visitor is None:
        return
    request[VISITOR] = visitor
    if not visitor.is_limited:
        return
    _stay(visitor, runtime, stack)
    _count(request, visitor, wanted=int(runtime.config.limits.count_hits))


def _stay(visitor: Visitor, runtime: Runtime, stack: ExitStack) -> None:
    """One of his requests is under way until the stack is closed."""
    if not runtime.quotas.may_enter(visitor.who, visitor.terms):
        raise _too_many(visitor)
    runtime.quotas.enter(visitor.who)
    stack.callback(runtime.quotas.leave, visitor.who)


def _taken(visitor: Visitor, runtime: Runtime, *, wanted: int) -> Left | None:
    return runtime.quotas.take(visitor.who, visitor.terms, monotonic(), wanted=wanted)


def _visitor(request: web.Request, runtime: Runtime) -> Visitor | None:
    """Who comes; None where that makes no difference."""
    terms = runtime.terms
    if not runtime.keys and terms.per_minute is None and terms.concurrent is None:
        return None
    headers = callers.lowered(request)
    key = runtime.keys.holder(headers)
    if key is not None:
        return Visitor(key.tenant, key.terms, key)
    return Visitor(callers.principal(headers, runtime.config, None), terms)


def _count(request: web.Request, visitor: Visitor, *, wanted: int) -> None:
    left = _taken(visitor, request[RUNTIME], wanted=wanted)
    if left is None:
        return
    request[LEFT] = left
    if not left.is_granted:
        raise _too_fast(visitor, left)


def count(request: web.Request) -> Callable[[], None] | None:
    """What counts a request that the origin is asked for, where only those are counted.

    It raises RateLimitedError where the caller has asked enough. It counts but once: what a batch
    lacks may take two calls.
    """
    visitor = request.get(VISITOR)
    if visitor is None or request[RUNTIME].config.limits.count_hits:
        return None

    is_counted = False

    def taken() -> None:
        nonlocal is_counted
        if not is_counted:
            _count(request, visitor, wanted=1)
        is_counted = True

    return taken


@contextmanager
def asking(request: web.Request) -> Iterator[None]:
    """Let the origin be asked by a relay, for as long as the block takes.

    Raises:
        RateLimitedError, OverloadedError: See `entered`.
    """
    counted = count(request)
    with ExitStack() as stack:
        try:
            stack.enter_context(request[RUNTIME].asking.one())
            if counted is not None:
                counted()
        except ApiError as error:
            tell(request, error)
            raise
        yield


def limited(request: web.Request) -> Visitor | None:
    """Who asks, where another request of his may be refused."""
    visitor = request.get(VISITOR)
    return visitor if visitor is not None and visitor.is_limited else None


@contextmanager
def repeating(visitor: Visitor | None, runtime: Runtime) -> Iterator[None]:
    """Let a repeat in for as long as the block takes; `again` counts it.

    Raises:
        RateLimitedError: The caller has asked enough.
        OverloadedError: Too many are under way.
    """
    with ExitStack() as stack:
        stack.enter_context(runtime.in_flight.one())
        if visitor is not None:
            _stay(visitor, runtime, stack)
            left = _taken(visitor, runtime, wanted=0)
            if left is not None and not left.remaining and runtime.config.limits.count_hits:
                raise _too_fast(visitor, left)
        yield


def has_place(visitor: Visitor, runtime: Runtime) -> bool:
    """Whether one more request of his may be under way."""
    return runtime.quotas.may_enter(visitor.who, visitor.terms)


def again(visitor: Visitor, runtime: Runtime) -> tuple[bool, Left | None]:
    """Whether a repeat may be answered from the cache, which counts it; and what is left then."""
    left = _taken(visitor, runtime, wanted=int(runtime.config.limits.count_hits))
    return left is None or left.is_granted, left


def permit(request: web.Request, scope: Scope, deployment: str | None) -> None:
    """Raise ForbiddenError where the caller's key is not for this namespace or model."""
    visitor = request.get(VISITOR)
    if visitor is not None and visitor.key is not None:
        named = () if deployment is None else (deployment,)
        visitor.key.permit(scope.namespace, (scope.model, *named))


def permit_unread(request: web.Request) -> None:
    """Raise ForbiddenError where the caller's key is not for requests that nobody reads here."""
    visitor = request.get(VISITOR)
    if visitor is None or visitor.key is None:
        return
    if request.method == "GET" and "upgrade" not in request.headers:
        return
    try:
        visitor.key.permit_unread()
    except ApiError as error:
        tell(request, error)
        raise


def must_be_asked_as_read(request: web.Request) -> bool:
    """Whether an origin that reads a body in another way might be asked what is not allowed."""
    visitor = request.get(VISITOR)
    return visitor is not None and visitor.key is not None and not visitor.key.asks_any_model


def tell(request: web.Request, error: ApiError) -> None:
    """One that is refused gets no further."""
    reason = error.code or error.kind
    outcome = Outcome(
        request[REQUEST_ID], Result.BYPASS, "none", status=error.status, reason=reason
    )
    request[RUNTIME].observer.notice(outcome)


def _too_fast(visitor: Visitor, left: Left) -> RateLimitedError:
    rate = visitor.terms.per_minute or 0
    return RateLimitedError(
        f"Rate limit reached: {rate:g} requests per minute. "
        f"Please try again in {left.wait_s:.3g}s.",
        code="rate_limit_exceeded",
        headers={
            "retry-after": str(ceil(left.wait_s)),
            "retry-after-ms": str(ceil(left.wait_s * 1000)),
        },
    )


def _too_many(visitor: Visitor) -> RateLimitedError:
    return RateLimitedError(
        f"Rate limit reached: {visitor.terms.concurrent} requests at once. "
        "Please try again when one of them has ended.",
        code="rate_limit_exceeded",
        headers={"retry-after": "1"},
    )
