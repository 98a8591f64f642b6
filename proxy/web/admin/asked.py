"""What operators ask of the admin API: bodies and query strings, read strictly.

An unknown or empty field is an error that names it: a selector that was misspelt must not mean more
than its writer meant.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final, TypeVar

from multidict import MultiMapping
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxy.config.interpolation import dotted
from proxy.core.changes import ALL_TENANTS, Likeness, Selector
from proxy.errors import BadRequestError, TierError, UnavailableError

T = TypeVar("T")

MAX_IDS: Final = 10_000

LEAST_ALIKE: Final = 0.5
"""Below that, texts have little more in common than their language."""

Word = Annotated[str, Field(min_length=1, max_length=256)]
Tenant = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@-]{1,256}$")]
Words = Annotated[tuple[Word, ...], Field(min_length=1, max_length=MAX_IDS)]


class Asked(BaseModel):
    """What every call that asks for something has in common."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Filter(Asked):
    """Which entries shall be told of, as a query string says it: all that is given must hold."""

    tenant: Tenant | None = None
    """Only this tenant's, by the digest that log lines and entries have; without it everybody's."""

    model: Word | None = None
    """Asked of this model."""

    namespace: Annotated[str, Field(max_length=256)] | None = None
    """Of this namespace; an empty one is that of requests that name none."""

    tag: Word | None = None
    """Entries that carry this tag."""

    principal: Tenant | None = None
    """Made by this caller's credential, whoever shares the answers."""

    def selector(self) -> Selector:
        """The same for the tiers."""
        return Selector(
            tenant=self.tenant or ALL_TENANTS,
            tags=(self.tag,) if self.tag else (),
            model=self.model,
            namespace=self.namespace,
            principal=self.principal,
            everything=True,
        )


class Invalidation(Asked):
    """Which entries shall be forgotten: all fields that are given must hold."""

    model_config = ConfigDict(strict=True)

    tenant: Tenant | None = None
    """Only this tenant's, by the digest that log lines and entries have; null: everybody's."""

    ids: Words | None = None
    """Any of these entries, by `x-cache-entry`."""

    tags: Words | None = None
    """Entries that carry any of these tags."""

    scope: Word | None = None
    """Of this scope."""

    model: Word | None = None
    """Asked of this model."""

    namespace: Annotated[str, Field(max_length=256)] | None = None
    """Of this namespace; `""` is the one of requests that name none."""

    older_than: Annotated[float, Field(ge=0)] | None = None
    """Stored before this time, seconds since the epoch."""

    principal: Tenant | None = None
    """Made by this caller's credential, whoever shares the answers."""

    like: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None
    """Whose question is indexed and like this text."""

    at_least: Annotated[float, Field(ge=LEAST_ALIKE, le=1)] | None = None
    """How alike: the least cosine of the two texts' vectors. It goes with `like`."""

    everything: bool = False
    """All entries, or all of the tenant: no other field may be given with it."""

    dry_run: bool = False
    """Only say what would be forgotten."""

    @property
    def named(self) -> list[str]:
        """The fields that choose."""
        what = ("ids", "tags", "scope", "model", "namespace", "older_than", "like")
        fields = ("tenant", "principal", *what)
        return [name for name in fields if getattr(self, name) is not None]

    def selector(self, like: Likeness | None = None) -> Selector:
        """The same for the tiers; `like` is what `like` and `at_least` mean.

        Raises:
            BadRequestError: Nothing, or too much, is chosen.
        """
        self.refuse_unclear()
        return Selector(
            tenant=self.tenant or ALL_TENANTS,
            ids=self.ids or (),
            tags=self.tags or (),
            scope=self.scope,
            model=self.model,
            namespace=self.namespace,
            older_than=self.older_than,
            principal=self.principal,
            like=like,
            everything=self.everything or self.named == ["tenant"],
        )

    def refuse_unclear(self) -> None:
        """Raises BadRequestError when nothing, or too much, is chosen."""
        if (self.like is None) != (self.at_least is None):
            raise _bad(
                "like and at_least go together.", "like" if self.like is None else "at_least"
            )
        if not self.named and not self.everything:
            raise _bad("Nothing is chosen; say everything: true to forget all.", "everything")
        if self.everything and (others := set(self.named) - {"tenant"}):
            raise _bad(f"everything and {min(others)} contradict each other.", "everything")


def once(query: MultiMapping[str]) -> dict[str, str]:
    """A query string. Raises BadRequestError for a name that is given twice: one would be lost."""
    for name in query:
        if len(query.getall(name)) > 1:
            raise BadRequestError(f"{name} is given twice.", param=name, code="invalid_selector")
    return dict(query)


def read(make: Callable[[], T], code: str = "invalid_selector") -> T:
    """What was asked. Raises BadRequestError, of that code, that names the field."""
    try:
        return make()
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        param = dotted(tuple(problem["loc"]))
        if problem["type"] == "json_invalid":
            raise BadRequestError("The body is not JSON.", code="invalid_json") from None
        message = f"{param or 'The body'}: {problem['msg']}."
        raise BadRequestError(message, param=param or None, code=code) from None


@contextmanager
def away() -> Iterator[None]:
    """A fault of the shared tier as what the operator is told."""
    try:
        yield
    except TierError as error:
        raise UnavailableError(
            "The cache's shared tier cannot be reached; try again.", code="cache_unavailable"
        ) from error


def _bad(message: str, param: str | None) -> BadRequestError:
    return BadRequestError(message, param=param, code="invalid_selector")
