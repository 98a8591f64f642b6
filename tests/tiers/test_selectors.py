"""Selectors as a change log keeps them; what each tier's log gives back is in its contract."""

import pytest

from proxy.core.changes import ALL_TENANTS, Selector
from proxy.tiers import selectors


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"tenant": "acme"}',
        b'{"tenant": "acme", "like": {"vector": 1}}',
    ],
)
def test_what_cannot_be_read_may_mean_anything(record: bytes) -> None:
    """A record of another version stops nobody from reading on, and nothing is missed by it."""
    assert selectors.read(record) == Selector(ALL_TENANTS, everything=True)
