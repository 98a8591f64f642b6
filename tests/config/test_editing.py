"""Keys set in a configuration file, and nothing else in it touched."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import load
from proxy.config.editing import difference, edited, replace_file, with_values
from proxy.errors import ConfigError

FILE = Path(__file__).parents[2] / "config.yaml"
FLOOR = "cache.vector.floor"


def test_the_shipped_file_changes_in_those_lines_only() -> None:
    """Comments, order and blanks stay; what is read from it is what was set."""
    before = FILE.read_text()
    values = {FLOOR: 0.75, "cache.judgement.min_probability": 0.905, "cache.ttl.default_s": 21_600}
    after = with_values(before, values)
    changed = [line for line in difference(before, after, "config.yaml").splitlines() if line]

    assert [line for line in changed if line[0] in "+-" and line[:3] not in ("+++", "---")] == [
        "-    default_s: 86400  # a day",
        "+    default_s: 21600  # a day",
        "-    floor: null",
        "+    floor: 0.75",
        "-    min_probability: null",
        "+    min_probability: 0.905",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "cache:\n  vector:\n    floor: 0.75\n"),
        ("# mine\n", "# mine\ncache:\n  vector:\n    floor: 0.75\n"),
        (
            "server:\n  port: 1\n",
            "server:\n  port: 1\ncache:\n  vector:\n    floor: 0.75\n",
        ),
        ("server:\n  port: 1", "server:\n  port: 1\ncache:\n  vector:\n    floor: 0.75\n"),
        (
            "cache: # tiers\n  # how long\n  ttl:\n    default_s: 9\n",
            "cache: # tiers\n  vector:\n    floor: 0.75\n  # how long\n  ttl:\n    default_s: 9\n",
        ),
        (
            "cache:\n    # why\n    vector:\n        candidates: 2\n",
            "cache:\n    # why\n    vector:\n        floor: 0.75\n        candidates: 2\n",
        ),
        ("cache: {vector: {floor: 0.7}}\n", "cache: {vector: {floor: 0.75}}\n"),
        (
            "cache: {deadline_ms: 9}\n",
            "cache: {vector: { floor: 0.75 }, deadline_ms: 9}\n",
        ),
        ("cache: {}  # empty\n", "cache: { vector: { floor: 0.75 } }  # empty\n"),
        ("cache:\n  vector:\n", "cache:\n  vector: { floor: 0.75 }\n"),
        ("cache:\n  vector:\n    floor:\n", "cache:\n  vector:\n    floor: 0.75\n"),
        ("cache:\n  vector:\n    floor: ~ # x", "cache:\n  vector:\n    floor: 0.75 # x"),
        ("cache:\n  vector:\n    'floor': '0.7'\n", "cache:\n  vector:\n    'floor': 0.75\n"),
    ],
)
def test_a_value_is_set_where_it_stands(before: str, after: str) -> None:
    """In whatever way the section is written; a missing key comes first in it."""
    assert with_values(before, {FLOOR: 0.75}) == after
    assert yaml.safe_load(after)["cache"]["vector"]["floor"] == 0.75


@pytest.mark.parametrize(
    "text",
    [
        "cache:\n  vector:\n    floor: ${FLOOR}\n",
        "cache:\n  vector: [1]\n",
        "cache: 7\n",
        "cache:\n  vector:\n    floor: [1]\n",
        "x: &mine\n  floor: 0.7\ncache:\n  vector: *mine\n",
        "server: {}\n...\n",
        "? cache\n: ttl: {}\n",
    ],
)
def test_what_is_not_written_out_is_left_alone(text: str) -> None:
    """The error names the key: it is set elsewhere, and there it has to be changed."""
    with pytest.raises(ConfigError) as raised:
        with_values(text, {FLOOR: 0.75})

    assert raised.value.problems[0].startswith(f"{FLOOR}: cannot be set")


@given(st.floats(0, 1), st.integers(1, 10**8))
def test_what_was_set_is_what_is_read(floor: float, ttl: int) -> None:
    """To six digits after the point, whatever the number."""
    text = with_values("cache:\n  deadline_ms: 250\n", {FLOOR: floor, "cache.ttl.default_s": ttl})
    read = yaml.safe_load(text)["cache"]

    assert read["vector"]["floor"] == pytest.approx(floor, abs=1e-6)
    assert read["ttl"]["default_s"] == ttl
    assert read["deadline_ms"] == 250


def test_a_file_is_replaced_whole_and_what_it_was_is_kept(tmp_path: Path) -> None:
    """With its mode; nothing else is left behind."""
    file = tmp_path / "config.yaml"
    file.write_bytes(b"cache: {}\r\n")
    file.chmod(0o600)
    copy = replace_file(file, edited(file, {FLOOR: 0.75}, {}), ".bak")

    assert load(file, {}).cache.vector.floor == 0.75
    assert copy.read_bytes() == b"cache: {}\r\n"
    assert file.read_bytes() == b"cache: { vector: { floor: 0.75 } }\r\n"
    assert [path.stat().st_mode & 0o777 for path in (file, copy)] == [0o600, 0o600]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "config.yaml.bak"]


def test_a_link_to_a_file_stays_one(tmp_path: Path) -> None:
    """Where configurations are kept elsewhere and linked to, it is the kept one that changes."""
    (tmp_path / "kept").mkdir()
    kept, link = tmp_path / "kept" / "config.yaml", tmp_path / "config.yaml"
    kept.write_text("cache: {}\n")
    link.symlink_to(kept)
    copy = replace_file(link, edited(link, {FLOOR: 0.75}, {}), ".bak")

    assert link.is_symlink()
    assert load(kept, {}).cache.vector.floor == 0.75
    assert copy.read_text() == "cache: {}\n"


def test_an_edit_that_would_change_something_else_is_refused(tmp_path: Path) -> None:
    """As where two sections share one text, by an anchor and its alias."""
    file = tmp_path / "config.yaml"
    file.write_text("cache:\n  ttl: { default_s: &n 60, max_s: *n }\n")
    with pytest.raises(ConfigError):
        edited(file, {"cache.ttl.default_s": 30}, {})
    file.write_text("cache:\n  session: &s { ttl_s: 9 }\nserver: { port: 1 }\n")

    assert "ttl_s: 7" in edited(file, {"cache.session.ttl_s": 7}, {})
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        edited(file, {"cache.session.ttl_s": 7}, {})
