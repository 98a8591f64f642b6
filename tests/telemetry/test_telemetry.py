"""One outcome, many sinks."""

import logging
from collections.abc import Sequence

import pytest

from proxy.core.model import Outcome, Result
from proxy.core.repetition import Repetition
from proxy.telemetry import Telemetry

OUTCOME = Outcome("r1", Result.MISS, "chat.completions")
AGAIN = Repetition("r2", 1.0, 0.1, 0.2)


class Written:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def notice(self, outcome: Outcome) -> None:
        self.heard.append(outcome)

    def repeated(self, first: Outcome, repetitions: Sequence[Repetition]) -> None:
        self.heard.append((first, *repetitions))

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        self.heard.append((name, fields))


class Broken:
    """A sink whose disk is full."""

    def notice(self, outcome: Outcome) -> None:
        raise OSError(f"no space left for {outcome}")

    def repeated(self, first: Outcome, repetitions: Sequence[Repetition]) -> None:
        raise OSError(f"no space left for {len(repetitions)} like {first}")

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        raise OSError(f"no space left for {name} {fields}")


def test_tells_every_sink() -> None:
    """Every sink hears every outcome and event, in order."""
    sinks = Written(), Written()
    telemetry = Telemetry(sinks)
    telemetry.notice(OUTCOME)
    telemetry.repeated(OUTCOME, [AGAIN])
    telemetry.event("breaker_opened", stage="shared")

    heard = [OUTCOME, (OUTCOME, AGAIN), ("breaker_opened", {"stage": "shared"})]
    assert [heard, heard] == [sink.heard for sink in sinks]


def test_a_broken_sink_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A sink that raises stops neither the caller nor the sinks after it, and is reported once."""
    after = Written()
    telemetry = Telemetry([Broken(), after])
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            telemetry.notice(OUTCOME)
            telemetry.event("x")

    assert len(after.heard) == 6
    assert [record.getMessage() for record in caplog.records] == ["sink Broken failed"]


def test_without_sinks() -> None:
    """Nobody need listen."""
    Telemetry([]).notice(OUTCOME)
