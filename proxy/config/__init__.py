"""The configuration: `load` reads it, `Config` is it, `effective` shows it."""

from proxy.config.loading import load
from proxy.config.schema import Config
from proxy.config.showing import digest, effective, effective_yaml

__all__ = ["Config", "digest", "effective", "effective_yaml", "load"]
