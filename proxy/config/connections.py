"""What callers' connections may send, and how slow they may be."""

from pydantic import Field

from proxy.config.section import AtStart, Section


class Connections(Section):
    """What callers' connections may send, and how slow they may be."""

    most: int = Field(default=10_000, ge=1, le=1_000_000)
    """Connections at once, to each process; one that comes beyond them gets 503 and is closed."""

    max_url_bytes: AtStart[int] = Field(default=8190, ge=256, le=1_048_576)
    """Longest URL, bytes; a longer one gets 414."""

    max_header_bytes: AtStart[int] = Field(default=8190, ge=256, le=1_048_576)
    """Longest header, name and value, bytes; with a longer one a request gets 431."""

    max_headers: AtStart[int] = Field(default=128, ge=16, le=10_000)
    """Most headers of a request; with more it gets 431."""

    head_timeout_s: float = Field(default=60, gt=0, le=86400)
    """Seconds that a request's head may take to come, from its first byte to its last."""

    body_timeout_s: float = Field(default=60, gt=0, le=86400)
    """Seconds that a request's body may take to come, and a second more for each KiB of it."""

    send_timeout_s: float = Field(default=120, gt=0, le=86400)
    """Seconds in which a caller who does not read takes none of his answer, until he is dropped."""

    keep_alive_s: AtStart[float] = Field(default=3630, gt=0, le=86400)
    """Seconds that a silent connection is kept for another request. More than a load balancer in
    front keeps it, so that none is closed just when it sends.
    """
