"""A key for a caller."""

import json
import re
from hashlib import sha256

from tests.cli.test_check import run


def test_a_key_is_made() -> None:
    """Too long to be guessed, with the digest to be configured, never twice the same."""
    told = [json.loads(run("key", "ada", "--json").stdout) for _ in range(2)]
    for one in told:
        assert one["name"] == "ada"
        assert re.fullmatch(r"rp-[A-Za-z0-9_-]{43}", one["key"])
        assert one["digest"] == sha256(one["key"].encode()).hexdigest()

    assert told[0]["key"] != told[1]["key"]


def test_a_person_is_told_what_to_configure() -> None:
    """The key, and its line for the file."""
    said = run("key", "ada").stdout
    made = re.search(r"key: (\S+)", said)

    assert made is not None
    assert f"- {{ name: ada, digest: {sha256(made[1].encode()).hexdigest()} }}" in said
