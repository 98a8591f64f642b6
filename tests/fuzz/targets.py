"""Every parser."""

from typing import Final

from tests.fuzz import bodies, configured, headers, stored, streams, texts
from tests.fuzz.target import Target

TARGETS: Final[tuple[Target, ...]] = (
    *bodies.TARGETS,
    *streams.TARGETS,
    *headers.TARGETS,
    *stored.TARGETS,
    *configured.TARGETS,
    *texts.TARGETS,
)
BY_NAME: Final = {target.name: target for target in TARGETS}
