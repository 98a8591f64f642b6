"""Log lines: JSON for machines, console lines for people.

Rules of the file:
- A `request` line has the fields named in `request_fields` and no others. A veto's reason quotes
  the questions (`number 5 != 7`), so of a veto only its first word is written.
- Tracebacks are written without local variables: those hold prompts and keys.
- Libraries log through the same lines from `warning` up, whatever the level: at `debug` some write
  whole requests with their headers.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from proxy.core.model import Outcome
from proxy.core.printable import printable
from proxy.core.repetition import Repetition

Format = Literal["auto", "json", "console"]
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

EVENT_LEVELS = {
    "connection_dropped": logging.DEBUG,
    "stage_failed": logging.WARNING,
    "stage_busy": logging.WARNING,
    "upkeep_failed": logging.WARNING,
    "breaker_opened": logging.WARNING,
    "writes_refused": logging.WARNING,
    "entry_unreadable": logging.WARNING,
    "file_replaced": logging.WARNING,
    "threshold_uncalibrated": logging.WARNING,
    "verdict_not_kept": logging.WARNING,
    "labels_failed": logging.WARNING,
    "namespace_suspended": logging.WARNING,
    "threshold_unused": logging.WARNING,
    "presence_failed": logging.WARNING,
    "refresh_failed": logging.WARNING,
    "scheduled_purge_failed": logging.WARNING,
    "reembedding_failed": logging.WARNING,
    "reembedding_skipped": logging.WARNING,
    "backlog_full": logging.WARNING,
    "backlog_lost": logging.WARNING,
    "redis_news_lost": logging.WARNING,
    "index_behind": logging.WARNING,
    "index_lost": logging.WARNING,
    "admin_refused": logging.WARNING,
    "certificate_refused": logging.WARNING,
    "config_reload_failed": logging.WARNING,
    "few_descriptors": logging.WARNING,
    "worker_died": logging.WARNING,
    "worker_not_started": logging.WARNING,
    "worker_killed": logging.WARNING,
    "worker_failed": logging.ERROR,
    "task_failed": logging.ERROR,
    "request_crashed": logging.ERROR,
}
"""Events worth more than `info`."""

OWN_REASONS = frozenset(
    {
        "expired",
        "not fresh enough",
        "neighbour gone",
        "not verified",
        "exploring",
        "feedback: marked bad",
        "the caller left",
        "the stream broke",
        "shadow: session",
        "shadow: shared",
        "shadow: vector",
    }
)
"""What may be said after a neighbour was looked at without quoting a question."""

MAX_FIELD_CHARS = 300
"""A longer field is cut: it is an error's text, and its beginning says what went wrong."""


class Logs:
    """The `Observer` that writes lines.

    Args:
        logger: Where to, as `open_logs` gives it.
        also: Fields of every line.
    """

    def __init__(self, logger: FilteringBoundLogger, **also: int) -> None:
        self._also = also
        self.adapt(logger)

    def adapt(self, logger: FilteringBoundLogger) -> None:
        """Write by this logger from now on."""
        self._logger: FilteringBoundLogger = logger.bind(**self._also)

    def notice(self, outcome: Outcome) -> None:
        """One `request` line."""
        level = logging.ERROR if outcome.status >= 500 else logging.INFO  # noqa: PLR2004 - HTTP
        if self._logger.is_enabled_for(level):
            self._logger.log(level, "request", **request_fields(outcome))

    def repeated(self, first: Outcome, repetitions: Sequence[Repetition]) -> None:
        """A `request` line of each."""
        if not self._logger.is_enabled_for(logging.INFO):
            return
        told = request_fields(first)
        for one in repetitions:
            self._logger.info("request", **repetition_fields(told, first, one))

    def event(self, name: str, **fields: str | float | bool | None) -> None:
        """One line named after the event."""
        # A field may be called as a parameter of the logger is; `event` is the line's own name.
        bound = self._logger.bind(**{key: cut(value) for key, value in fields.items()})
        bound.log(EVENT_LEVELS.get(name, logging.INFO), name)


def request_fields(outcome: Outcome) -> dict[str, Any]:
    """What a `request` line says, without what is not known; durations in milliseconds."""
    usage = outcome.usage
    fields: dict[str, Any] = {
        "request_id": outcome.request_id,
        "api": outcome.api,
        "model": outcome.model or None,
        "status": outcome.status,
        "result": outcome.result.value,
        "tier": outcome.tier.value if outcome.tier is not None else None,
        "reason": kind_of_reason(outcome) or None,
        "similarity": _rounded(outcome.similarity, 4),
        "probability": _rounded(outcome.probability, 4),
        "age_s": _rounded(outcome.age, 1),
        "ttl_s": _rounded(outcome.ttl, 1),
        "stored": outcome.stored,
        "stream": outcome.stream,
        "entry": outcome.entry,
        "tenant": outcome.tenant or None,
        "namespace": outcome.namespace or None,
        "upstream_status": outcome.upstream_status,
        "prompt_tokens": usage.prompt if usage is not None else None,
        "completion_tokens": usage.completion if usage is not None else None,
        "tokens_estimated": True if usage is not None and usage.estimated else None,
        "saved_tokens": outcome.saved.total if outcome.saved is not None else None,
        "saved_usd": _rounded(outcome.saved_usd, 6),
        "items": "{}/{}".format(*outcome.items) if outcome.items is not None else None,
        "ms": _ms(outcome.timings),
    }
    return {key: cut(value) for key, value in fields.items() if value is not None}


def repetition_fields(told: dict[str, Any], first: Outcome, one: Repetition) -> dict[str, Any]:
    """What a `request` line says of a repetition, given what it said of the first one."""
    own = {
        "request_id": one.request_id,
        "age_s": _rounded(one.age(first), 1),
        "ttl_s": _rounded(one.ttl(first), 1),
        "ms": _ms(one.timings()),
    }
    return {**told, **own}


def _ms(timings: Mapping[str, float]) -> dict[str, float]:
    return {stage: round(1000 * seconds, 3) for stage, seconds in timings.items()}


def kind_of_reason(outcome: Outcome) -> str:
    """The reason without anybody's words: `number` of `number 5 != 7`.

    Only where a neighbour was looked at can there be a veto; every other reason is the program's
    own and stays whole.
    """
    reason = outcome.reason
    if outcome.similarity is None or reason in OWN_REASONS:
        return reason
    return reason.split(maxsplit=1)[0].strip(":,;") if reason.strip() else ""


def open_logs(log_format: Format, level: str, stream: TextIO) -> FilteringBoundLogger:
    """A logger on the stream, and the standard library's root logger routed to the same lines.

    Args:
        log_format: `auto` is `console` on a terminal, else `json`.
        level: A key of `LEVELS`.
        stream: Where lines go, each in one write.
    """
    is_console = log_format == "console" or (log_format == "auto" and stream.isatty())
    ending = _console(stream) if is_console else _json()
    beginning: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    _route_libraries(stream, max(LEVELS[level], logging.WARNING), beginning, ending)
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[*beginning, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=True,
    ).bind()
    return logger


def _json() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_dumps),
    ]


def _console(stream: TextIO) -> list[Processor]:
    return [
        _printable,
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


def _printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Fields of a console line; JSON escapes what is no text by itself."""
    return {
        name: printable(value) if isinstance(value, str) else value for name, value in event.items()
    }


def _dumps(fields: EventDict, **_: object) -> str:
    return orjson.dumps(fields, default=str).decode()


def _route_libraries(
    stream: TextIO, level: int, beginning: list[Processor], ending: list[Processor]
) -> None:
    """Replaces the handlers of the root logger: a second call must not double the lines."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*beginning, _library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _library(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A library's line is named `log`; what it says is a field, which may not name other lines."""
    event["message"] = event["event"]
    event["logger"] = event["_record"].name
    event["event"] = "log"
    return event


def cut(value: Any) -> Any:  # noqa: ANN401 - fields are of any type
    """A field's value, short enough for a line."""
    if isinstance(value, str) and len(value) > MAX_FIELD_CHARS:
        return value[:MAX_FIELD_CHARS] + "..."
    return value


def _rounded(value: float | None, digits: int) -> float | None:
    return round(value, digits) if value is not None else None
