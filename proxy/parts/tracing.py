"""Builds what sends traces, where they are asked for."""

from importlib.metadata import version
from typing import TYPE_CHECKING

from proxy.config import Config
from proxy.errors import ConfigError
from proxy.worker import Worker

if TYPE_CHECKING:
    from proxy.telemetry.traces import Traces

MISSING = "telemetry.traces: needs the extra: pip install 'reprise[otel]'"


def build(config: Config, worker: Worker | None) -> "Traces | None":
    """What sends them; None when they are off.

    Raises ConfigError without the extra, and for an `OTEL_*` variable that cannot be read.
    """
    if not config.telemetry.traces:
        return None
    try:
        from proxy.telemetry.traces import open_traces  # noqa: PLC0415 - an extra

        return open_traces(version("reprise"), None if worker is None else worker.number)
    except ImportError as error:
        raise ConfigError([MISSING]) from error
    except ValueError as error:
        raise ConfigError([f"telemetry.traces: an OTEL_* variable: {error}"]) from error
