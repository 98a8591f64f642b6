"""What a process tells of itself can be read again, and its URL can be used by others."""

import pytest

from proxy.core.presence import Replica, dumps, loads, reachable

REPLICA = Replica(
    id="a1",
    host="one",
    pid=7,
    worker=None,
    version="1.0",
    url=None,
    started_at=1.5,
    seen_at=2.5,
    position_lag=None,
    entries={"session": 4},
    parts={"shared": "ok"},
    config_digest="abc",
)


def test_a_record_is_read_as_it_was_written() -> None:
    """Every field, whole."""
    assert loads(dumps(REPLICA)) == REPLICA
    assert REPLICA.seen(9.0).seen_at == 9.0


@pytest.mark.parametrize("record", [b"", b"[]", b"7", b'{"id": "a1"}', b"\xff"])
def test_what_is_no_record_is_nobody(record: bytes) -> None:
    """Another version's, or damaged: it is left out, and no error."""
    assert loads(record) is None


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("http://0.0.0.0:8080/v1", "http://one:8080/v1"),
        ("http://[::]:8080/v1", "http://one:8080/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://[::1]:9/v1", "http://[::1]:9/v1"),
    ],
)
def test_an_address_that_means_all_names_the_machine(url: str, seen: str) -> None:
    """Nobody elsewhere can use `0.0.0.0`."""
    assert reachable(url, "one") == seen
