"""Decides which hits are served and which are compared with a fresh answer; keeps the outcome.

Rules of the file: `choose` is asked on the way to an answer, so it waits for nothing; everything
else happens after the caller has been answered, is bounded, and fails into an event.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from proxy.comparing import Comparer
from proxy.core.agreement import Agreement, Said
from proxy.core.auditing import Audit, Audited
from proxy.core.labels import Kept, Kind, Sample
from proxy.core.lookup import Hit, Seen
from proxy.core.model import CacheRequest, Entry, Judged, Scope, Tier
from proxy.core.quarantine import QUARANTINED, is_quarantined
from proxy.core.trusting import Advice, Category, Lesson
from proxy.errors import TierError
from proxy.ports import Clock, LabelStore, Observer

EXPLORING: Final = "exploring"
"""The reason of a miss that could have been a hit."""

CATEGORIES: Final = 1000
"""Categories remembered; the longest untouched goes first."""

NAMESPACES: Final = 10_000
"""Namespaces under audit; the longest untouched that is not suspended goes first."""

UNKNOWN: Final = Advice(frozenset(), frozenset())
"""Of a category that nothing is known of."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator chose.

    Attributes:
        is_verified: Serve only what is proven (`policy: verified`).
        max_error: The share of hits that may be wrong.
        explore_share: Of proven hits, how many are asked upstream in place of being served.
        audit_share: Of served hits, how many are asked upstream as well.
        most_at_once: Audits under way, and comparisons.
        scorer: Who gives the scores: the verifier's id, else the embedder's.
        quarantine: Serve nobody an answer of somebody else's that is not confirmed.
    """

    is_verified: bool = False
    max_error: float = 0.01
    explore_share: float = 0.02
    audit_share: float = 0.0
    most_at_once: int = 8
    scorer: str = ""
    quarantine: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """A cached answer that a fresh one will be compared with.

    Attributes:
        request: What was asked.
        entry: The neighbour's entry.
        score: What the last that decided said of it.
        advice: What the rules said of it.
        kind: Why it is compared.
        stands: It stands for a hit: without being picked it would have been served.
        share: The chance with which it was picked.
        similarity: Of the two questions; None where it is not known.
    """

    request: CacheRequest
    entry: Entry
    score: float
    advice: Advice
    kind: Kind
    stands: bool
    share: float = 1.0
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A neighbour that the verifier did not vouch for, whose answer a fresh one is compared with.

    Attributes:
        seen: What the lookup learned of it.
        entry_id: Its entry.
        score: What the verifier gave it.
        share: The chance with which it was picked.
    """

    seen: Seen
    entry_id: str
    score: float
    share: float

    def trial(self, entry: Entry) -> Trial:
        """With the entry, once it is there."""
        return Trial(
            self.seen.request,
            entry,
            self.score,
            UNKNOWN,
            Kind.NEAR,
            stands=False,
            share=self.share,
            similarity=self.seen.similarity,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of a request whose neighbour was found.

    Attributes:
        reason: Why a hit does not answer it; "" when it does.
        trial: What to compare a fresh answer with; None when there is nothing to learn.
        near: The same of a neighbour that is no hit.
    """

    reason: str = ""
    trial: Trial | None = None
    near: NearMiss | None = None


SERVED: Final = Choice()


@dataclass(slots=True)
class _Namespace:
    name: str
    audit: Audit


class Learning:
    """What is learned of hits on neighbours.

    Args:
        terms: What the operator chose.
        comparer: Compares answers.
        store: Keeps what was learned.
        draw: A number from 0 to 1, at random.
        observer: Hears `answers_compared` with `kind` and `verdict`, `comparison_left_out`,
            `namespace_suspended`, `namespace_recovered` and `labels_failed`.
    """

    def __init__(
        self,
        terms: Terms,
        comparer: Comparer,
        store: LabelStore,
        *,
        draw: Callable[[], float],
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._terms = terms
        self._comparer = comparer
        self._store = store
        self._draw = draw
        self._clock = clock
        self._observer = observer
        self._categories: OrderedDict[tuple[str, str, str], Category] = OrderedDict()
        self._namespaces: OrderedDict[tuple[str, str], _Namespace] = OrderedDict()
        self._auditing: set[str] = set()
        self._comparing = 0

    def adapt(self, terms: Terms) -> None:
        """Take other terms from now on. `max_error` and the scorer are those it has learned by."""
        self._terms = replace(terms, max_error=self._terms.max_error, scorer=self._terms.scorer)

    def recall(self, kept: Iterable[Kept]) -> None:
        """Learn again what was kept and still holds, oldest first.

        Where neither a bound is held nor anything audited, nothing is suspended either.
        """
        counts = self._terms.is_verified or self._terms.audit_share > 0
        lessons: dict[tuple[str, str, str], list[Lesson]] = {}
        for one in kept:
            held = one.under(self._terms.scorer, self._terms.max_error)
            if held is not None and held.teaches:
                key = held.tenant, held.namespace, held.model
                lessons.setdefault(key, []).append(held.lesson)
                if held.stands and counts:
                    self._count(held)
        for key, learned in lessons.items():
            self._category(key).learn(*learned)

    def choose(self, request: CacheRequest, hit: Hit) -> Choice:
        """Whether this hit is served. Exact repeats always are."""
        score = hit.score
        if hit.tier is not Tier.VECTOR or score is None:
            return SERVED
        scope, why = request.scope, self._why_withheld(request, hit.entry)
        if why is None and not (self._terms.is_verified or self._terms.audit_share):
            return SERVED
        advice = self._advice(scope, hit.entry.id, score)
        is_fit = bool(advice.trusted) or not self._terms.is_verified

        def trial(kind: Kind, share: float, *, stands: bool) -> Trial:
            told = (request, hit.entry, score, advice, kind)
            return Trial(*told, stands=stands, share=share, similarity=hit.similarity)

        if why is not None:
            stands = is_fit and why != QUARANTINED
            return Choice(why, trial(Kind.EXPLORED, 1.0, stands=stands))
        may_ask = not request.directives.only_if_cached
        if self._terms.is_verified and not self._is_proven(advice, may_ask=may_ask):
            share = self._terms.explore_share if advice.trusted else 1.0
            return Choice(EXPLORING, trial(Kind.EXPLORED, share, stands=is_fit))
        if may_ask and self._may_audit(request.key):
            self._auditing.add(request.key)
            return Choice(trial=trial(Kind.AUDITED, self._terms.audit_share, stands=True))
        return SERVED

    def shadowed(self, request: CacheRequest, hit: Hit) -> Trial | None:
        """What to compare a fresh answer with, which a shadowed hit's caller gets in any case."""
        if hit.tier is not Tier.VECTOR or hit.score is None or not self._is_drawn():
            return None
        told = (request, hit.entry, hit.score, UNKNOWN, Kind.SHADOWED)
        share = self._terms.audit_share
        return Trial(*told, stands=False, share=share, similarity=hit.similarity)

    def near(self, seen: Seen) -> NearMiss | None:
        """The same of a miss, whose nearest neighbour the verifier has read and not vouched for."""
        if seen.judged is not Judged.UNSURE or seen.probability is None or not seen.neighbour:
            return None
        if not self._is_drawn():
            return None
        return NearMiss(seen, seen.neighbour, seen.probability, self._terms.audit_share)

    def _is_drawn(self) -> bool:
        """Whether what costs no call is compared: as often as a hit is audited."""
        return self._terms.audit_share > 0 and self._draw() < self._terms.audit_share

    def objects(self, request: CacheRequest, hit: Hit) -> str:
        """Why this hit is not served, whatever is drawn; "" when it may be. Changes nothing.

        A neighbour whose score is not known, as one that stands in for a failed origin, is not
        proven.
        """
        if hit.tier is not Tier.VECTOR:
            return ""
        if (why := self._why_withheld(request, hit.entry)) is not None:
            return why
        if not self._terms.is_verified:
            return ""
        score = hit.score
        advice = UNKNOWN if score is None else self._advice(request.scope, hit.entry.id, score)
        return "" if advice.trusted else EXPLORING

    def _why_withheld(self, request: CacheRequest, entry: Entry) -> str | None:
        """Why an answer that means the same is not served, whatever is proven of it."""
        if self._terms.quarantine and is_quarantined(entry, request.caller):
            return QUARANTINED
        scope = request.scope
        namespace = self._namespaces.get((scope.tenant, scope.namespace))
        return namespace.audit.suspended if namespace is not None else None

    def _advice(self, scope: Scope, entry: str, score: float) -> Advice:
        category = self._categories.get((scope.tenant, scope.namespace, scope.model))
        return category.advise(entry, score) if category is not None else UNKNOWN

    def _is_proven(self, advice: Advice, *, may_ask: bool) -> bool:
        return advice.serves(self._draw() if may_ask else 1.0, self._terms.explore_share)

    def _may_audit(self, key: str) -> bool:
        share, under_way = self._terms.audit_share, self._auditing
        has_room = key not in under_way and len(under_way) < self._terms.most_at_once
        return has_room and share > 0 and self._draw() < share

    def audit_over(self, key: str) -> None:
        """The audit of this request that `choose` asked for has come to its end, well or not."""
        self._auditing.discard(key)

    async def learn(self, trial: Trial, old: Said, new: Said) -> Agreement | None:
        """Compare a fresh answer with the cached one and learn from it. Never raises.

        Returns whether they agree; None when they could not be compared.
        """
        if self._comparing >= self._terms.most_at_once:
            self._observer.event("comparison_left_out", kind=trial.kind.value)
            return None
        self._comparing += 1
        try:
            agreement = await self._comparer.compare(old, new)
        finally:
            self._comparing -= 1
        verdict = agreement.value if agreement is not None else "none"
        self._observer.event("answers_compared", kind=trial.kind.value, verdict=verdict)
        if agreement is not None:
            await self._take(trial, agreement)
        return agreement

    async def _take(self, trial: Trial, agreement: Agreement) -> None:
        """A proof has to be shown, an accusation too: what is unsure is neither."""
        scope = trial.request.scope
        lesson = Lesson(
            trial.entry.id,
            trial.score,
            agreement is Agreement.SAME,
            proposed=trial.advice.proposed,
        )
        is_clear = agreement is not Agreement.UNSURE
        age = max(0.0, self._clock() - trial.entry.created_at)
        sample = Sample(trial.kind, is_clear, trial.share, trial.similarity, age)
        await self.keep(scope, lesson, stands=trial.stands and is_clear, sample=sample)

    async def keep(
        self, scope: Scope, lesson: Lesson, *, stands: bool, sample: Sample | None = None
    ) -> None:
        """Learn a lesson, now and for the next start. Never raises."""
        kept = Kept(
            scope.tenant,
            scope.namespace,
            scope.model,
            stands,
            lesson,
            scorer=self._terms.scorer,
            max_error=self._terms.max_error,
            at=self._clock(),
            sample=sample,
        )
        audit = self._learn(kept) if kept.teaches else None
        if audit is not None:
            self._observer.event(
                "namespace_recovered" if audit.suspended is None else "namespace_suspended",
                tenant=kept.tenant,
                namespace=kept.namespace,
            )
        try:
            await self._store.add(kept)
        except TierError as error:
            self._observer.event("labels_failed", reason=str(error))

    def _learn(self, kept: Kept) -> Audit | None:
        """Returns the namespace's audit if that suspended it, or let it recover."""
        self._category((kept.tenant, kept.namespace, kept.model)).learn(kept.lesson)
        return self._count(kept) if kept.stands else None

    def _category(self, key: tuple[str, str, str]) -> Category:
        if key not in self._categories:
            self._categories[key] = Category(self._terms.max_error)
            if len(self._categories) > CATEGORIES:
                self._categories.popitem(last=False)
        return _touched(self._categories, key)

    def _count(self, kept: Kept) -> Audit | None:
        key = kept.tenant, kept.namespace
        if key not in self._namespaces:
            self._make_room()
            self._namespaces[key] = _Namespace(kept.namespace, Audit(self._terms.max_error))
        audit = _touched(self._namespaces, key).audit
        return audit if audit.add(right=kept.lesson.right) else None

    def _make_room(self) -> None:
        if len(self._namespaces) >= NAMESPACES:
            free = (k for k, known in self._namespaces.items() if known.audit.suspended is None)
            if (oldest := next(free, None)) is not None:
                del self._namespaces[oldest]

    def rates(self) -> dict[str, Audited]:
        """What audits counted, by the namespace's name."""
        found: dict[str, Audited] = {}
        for known in tuple(self._namespaces.values()):
            rate, audited = known.audit.rate, found.setdefault(known.name, Audited())
            audited.wrong += rate.wrong
            audited.compared += rate.compared
            audited.suspended += known.audit.suspended is not None
        return found


def _touched(known: "OrderedDict[K, V]", key: K) -> V:
    known.move_to_end(key)
    return known[key]
