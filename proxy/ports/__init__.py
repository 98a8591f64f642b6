"""Where the program meets its adapters.

A port has at most seven methods. None can read without a scope or a caller's session: isolation is
in the signature, not in a filter somebody must remember. An adapter raises `TierError` for a fault
of its own and nothing else; "not there" is None, never an error.
"""

from proxy.ports.models import Embedder, LabelStore, Verifier, Writer
from proxy.ports.observing import Observer, Tracing
from proxy.ports.origins import Origin, OriginReply, OriginRequest
from proxy.ports.shared import Embedders, Leases, LogWatch, Presence
from proxy.ports.stored import (
    UNTOLD,
    Archive,
    Catalogue,
    Clock,
    Index,
    Namespaces,
    SessionTier,
    SharedTier,
    Survey,
    VectorTier,
)

__all__ = [
    "UNTOLD",
    "Archive",
    "Catalogue",
    "Clock",
    "Embedder",
    "Embedders",
    "Index",
    "LabelStore",
    "Leases",
    "LogWatch",
    "Namespaces",
    "Observer",
    "Origin",
    "OriginReply",
    "OriginRequest",
    "Presence",
    "SessionTier",
    "SharedTier",
    "Survey",
    "Tracing",
    "VectorTier",
    "Verifier",
    "Writer",
]
