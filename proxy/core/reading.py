"""From a body, a caller and directives to a `CacheRequest`: all that is decided before any tier.

The rules only narrow: what the dialect finds unfit for rewording, and what the operator's admission
rules restrict, is taken from what the caller asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from proxy.core.admission import Admission
from proxy.core.canonical import fingerprint
from proxy.core.conversation.turns import Turn, says_nothing_alone
from proxy.core.conversation.writing import shown, why_unwritable
from proxy.core.dialects.base import Dialect, Json, Reading
from proxy.core.model import CacheRequest, Caller, Directives, Scope
from proxy.core.rewriting import Kept, Standalone, standalone

WRITTEN: Final = fingerprint(["written"])
"""The context of every conversation whose question a model writes, whatever it writes: where an
answer is kept is decided before a model is asked."""

EXACT: Final = "as configured"
"""Why earlier turns must be the same where `cache.context` is `exact`."""

NOTHING_ALONE: Final = "means nothing alone"
"""Why a question is never matched with another: `yes`, `the second one`."""


@dataclass(frozen=True, slots=True)
class Understood:
    """A request, read.

    Attributes:
        request: What is looked up.
        bypass: Why the cache must not touch it; None when it may.
        reason: Why the directives were narrowed; "" when they were not.
        exact_only: Why no other question's answer may serve; None when one may.
        kept: Why a conversation's earlier turns must be the same; "" where they need not. The
            question of a request may then be `unwritten`.
    """

    request: CacheRequest
    bypass: str | None
    reason: str
    exact_only: str | None = None
    kept: str = ""


def understand(
    dialect: Dialect,
    body: Json,
    *,
    caller: Caller,
    asked: Directives,
    admission: Admission,
    extra: Mapping[str, str],
    rewrite: bool = False,
    by_model: bool = False,
) -> Understood:
    """Read a request of this dialect.

    Args:
        dialect: The API's.
        body: The request's JSON.
        caller: Who asks.
        asked: What it asks of the cache.
        admission: The operator's rules.
        extra: What else must match: query string, beta headers.
        rewrite: Compare the earlier turns of a conversation by meaning where that is safe.
        by_model: Have a language model write the question where `rewrite` finds none.
    """
    reading = dialect.read(body, tenant=caller.tenant, namespace=asked.namespace, extra=extra)
    directives, reason = _narrowed(admission, asked, reading.question, reading, body)
    exact_only = reading.exact_only
    if exact_only is None and says_nothing_alone(reading.question):
        exact_only = NOTHING_ALONE
    if exact_only is not None:
        directives = replace(directives, semantic=False)
    bypass = reading.bypass
    if bypass is None and not (directives.read or directives.write):
        bypass = reason or "no-store"
    request = CacheRequest(
        scope=reading.scope,
        caller=caller,
        directives=directives,
        question=reading.question,
        key=reading.scope.key(reading.question),
        stream=reading.stream,
        include_usage=reading.include_usage,
        body=body,
    )
    plain = Understood(request, bypass, reason, exact_only, EXACT)
    return _resolved(plain, reading, admission, by_model=by_model) if rewrite else plain


def _resolved(
    plain: Understood, reading: Reading, admission: Admission, *, by_model: bool
) -> Understood:
    """With the earlier turns in the question or left to a model, or why they must be the same."""
    request, exact_only = plain.request, plain.exact_only
    alone = _alone(reading, exact_only, admission, request.body)
    if isinstance(alone, Standalone):
        request = replace(request, scope=_around(alone, reading.scope), question=alone.text)
        return replace(plain, request=request, kept="")
    turns = _for_model(reading, exact_only, admission, request.body) if by_model else alone
    if isinstance(turns, Kept):
        return replace(plain, kept=alone.reason)
    scope = replace(reading.scope, context=WRITTEN)
    request = replace(request, scope=scope, question="", unwritten=turns)
    return replace(plain, request=request, kept="")


def _narrowed(
    admission: Admission, asked: Directives, question: str, reading: Reading, body: Json
) -> tuple[Directives, str]:
    return admission.narrow(
        asked,
        question=question,
        temperature=body.get("temperature"),
        has_tools=bool(reading.scope.tools),
        is_stored=reading.is_stored,
    )


def _alone(
    reading: Reading, exact_only: str | None, admission: Admission, body: Json
) -> Standalone | Kept:
    """The standalone question, unless something else in the request forbids it.

    What the caller asks of the cache has no say here: one conversation has one scope, or an entry
    stored under the one would not be found under the other.
    """
    if not reading.talk:
        return Kept("more than plain text")
    if exact_only is not None:
        return Kept(exact_only)
    found = standalone(reading.talk)
    if isinstance(found, Standalone):
        last, reason = _narrowed(admission, Directives(), reading.question, reading, body)
        whole, reason = _narrowed(admission, Directives(), found.text, reading, body)
        if whole != last:
            return Kept(f"earlier turns: {reason}")
    return found


def _for_model(
    reading: Reading, exact_only: str | None, admission: Admission, body: Json
) -> tuple[Turn, ...] | Kept:
    """What a model is shown, unless something forbids it: as above, no wish of the caller's does.

    The rules read the answers too: a model may take a word from them, and is sent them.
    """
    if not reading.talk or exact_only is not None:
        return Kept(exact_only or "more than plain text")
    if (why := why_unwritable(reading.talk)) is not None:
        return Kept(why)
    turns = shown(reading.talk)
    last, reason = _narrowed(admission, Directives(), reading.question, reading, body)
    if not last.semantic:
        return Kept(reason)
    text = "\n".join(turn.text for turn in turns)
    whole, reason = _narrowed(admission, Directives(), text, reading, body)
    return turns if whole == last else Kept(f"earlier turns: {reason}")


def _around(alone: Standalone, scope: Scope) -> Scope:
    """The scope without the earlier turns, but for what must be the same.

    Follow-ups meet follow-ups of as many turns, and turns of as many sentences: an answer to two
    questions at once is none to the second alone.
    """
    return replace(scope, context=fingerprint(["standalone", alone.shape, alone.answers]))
