"""What is sealed is read by who has the key, in its place, and by nobody else."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tiers.keyring import Key, Keyring
from proxy.tiers.sealed import SealError, tenant_of
from proxy.tiers.sealedfile import CHUNK, TAG_BYTES, SealedWriter, sealed_reader

OLD, NEW = Key("old", b"o" * 32), Key("new", b"n" * 32)
RING = Keyring([OLD])
SALT = b"s" * 32


def sealed(plain: bytes = b"plain") -> bytes:
    return RING.seal(plain, place="here", tenant="acme", salt=SALT)


@given(st.binary(), st.text(max_size=9), st.text(max_size=9), st.binary(max_size=32))
def test_what_is_sealed_comes_back(plain: bytes, place: str, tenant: str, salt: bytes) -> None:
    """Whatever it is, in its own place."""
    data = RING.seal(plain, place=place, tenant=tenant, salt=salt)

    assert RING.open(data, place=place, salt=salt) == plain
    assert tenant_of(data) == tenant


def test_the_same_never_looks_the_same() -> None:
    """Who sees two of them cannot tell that they say one thing."""
    assert sealed() != sealed()


@pytest.mark.parametrize(
    ("place", "salt", "ring"),
    [
        ("elsewhere", SALT, RING),
        ("here", b"t" * 32, RING),
        ("here", SALT, Keyring([NEW])),
        ("here", SALT, Keyring([Key("old", b"x" * 32)])),
    ],
    ids=["place", "salt", "no such key", "another key of that name"],
)
def test_another_does_not_open_it(place: str, salt: bytes, ring: Keyring) -> None:
    """Neither another place, nor another salt, nor another key."""
    with pytest.raises(SealError):
        ring.open(sealed(), place=place, salt=salt)


def test_a_tenant_opens_no_other_s() -> None:
    """Although ring, salt and place are the same, and whoever changes the name changes the key."""
    theirs = sealed().replace(b"acme", b"evil")

    with pytest.raises(SealError):
        RING.open(theirs, place="here", salt=SALT)


def test_any_change_is_found_out() -> None:
    """A flipped bit or a missing byte anywhere, in what stands in clear too."""
    data = sealed()
    changed = [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(len(data))]
    for one in (*changed, *(data[:at] for at in range(len(data)))):
        with pytest.raises(SealError):
            RING.open(one, place="here", salt=SALT)


def test_keys_are_exchanged_in_two_steps() -> None:
    """A key that all have opens what the next seals, whichever of the two seals."""
    both, turned = Keyring([OLD, NEW]), Keyring([NEW, OLD])
    of_old = both.seal(b"1", place="p")
    of_new = turned.seal(b"2", place="p")

    assert [ring.open(of_old, place="p") for ring in (both, turned, RING)] == [b"1"] * 3
    assert [ring.open(of_new, place="p") for ring in (both, turned)] == [b"2"] * 2


def test_a_key_is_not_printed() -> None:
    """Not by an error's traceback, nor by a debugger's line in a log."""
    assert "oooo" not in repr(OLD)


SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK]


def written(path: Path, plain: bytes) -> bytes:
    """A file with that in it, in pieces that are no chunks; returns its bytes."""
    to = BytesIO()
    writer = SealedWriter(to, RING)
    for at in range(0, len(plain), 100_000):
        writer.write(memoryview(plain)[at : at + 100_000])
    writer.end()
    path.write_bytes(to.getvalue())
    return to.getvalue()


def pattern(size: int) -> bytes:
    return bytes(at % 251 for at in range(251)) * (size // 251) + bytes(size % 251)


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_read_from_anywhere(tmp_path: Path, size: int) -> None:
    """From its beginning, from its end, and across chunks; nothing of it is in clear."""
    plain = pattern(size)
    stored = written(tmp_path / "file", plain)
    with sealed_reader(tmp_path / "file", RING) as file:
        assert file.read() == plain
        assert file.seek(0, 2) == size
        for at in (0, size // 2, max(0, size - 10)):
            file.seek(at)
            assert file.read(20) == plain[at : at + 20]
            assert file.tell() == min(size, at + 20)

    assert not plain or plain[:200] not in stored


def cut(data: bytes) -> bytes:
    return data[: -TAG_BYTES - 1]


def without_its_last_chunk(data: bytes) -> bytes:
    return data[: len(data) - (CHUNK + TAG_BYTES)]


def with_chunks_exchanged(data: bytes) -> bytes:
    size = CHUNK + TAG_BYTES
    head = len(data) - 3 * size
    chunks = [data[head + at * size :][:size] for at in (1, 0, 2)]
    return data[:head] + b"".join(chunks)


def with_a_bit_flipped(data: bytes) -> bytes:
    return data[:-1000] + bytes([data[-1000] ^ 1]) + data[-999:]


def in_clear(data: bytes) -> bytes:
    return b"RPIX" + data


@pytest.mark.parametrize(
    "spoil",
    [cut, without_its_last_chunk, with_chunks_exchanged, with_a_bit_flipped, in_clear],
)
def test_a_spoiled_file_is_found_out(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    """However it was changed, at whole chunks too; and so is one that was never sealed."""
    (tmp_path / "file").write_bytes(spoil(written(tmp_path / "file", pattern(3 * CHUNK))))

    with pytest.raises(SealError), sealed_reader(tmp_path / "file", RING) as file:
        file.read()


def test_a_file_of_another_key_is_not_read(tmp_path: Path) -> None:
    """It says whose it is."""
    written(tmp_path / "file", b"plain")

    with pytest.raises(SealError, match="'old', which is not in the ring"):
        sealed_reader(tmp_path / "file", Keyring([NEW]))
