"""What the judge says of a neighbour."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accept:
    """The neighbour's answer serves this question."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reject:
    """It does not; the reason is short and for people: `number 5 != 7`.

    `guard` names the veto that says so; "" where none does.
    """

    reason: str
    guard: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Near enough, and vetoed by nothing: the verifier decides."""

    reason: str


Verdict = Accept | Doubt | Reject
