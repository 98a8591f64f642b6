"""Rules for lifetimes, tags and purges: a bad one is named, and never half followed."""

from pathlib import Path

import pytest

from proxy.config import load
from proxy.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "ttl: {stale_s: 10, stale_while_revalidate_s: 11}",
            "ttl.stale_while_revalidate_s: 11 is above cache.ttl.stale_s",
        ),
        (
            "ttl: {stale_s: 10, stale_if_error_s: 60}",
            "ttl.stale_if_error_s: 60 is above cache.ttl.stale_s",
        ),
        (
            "ttl: {stale_s: 10, rules: [{tag: a}, {tag: b, stale_while_revalidate_s: 20}]}",
            "ttl.rules[1].stale_while_revalidate_s: 20 is above cache.ttl.stale_s",
        ),
        (
            "ttl: {rules: [{stale_if_error_s: -1}]}",
            "ttl.rules[0].stale_if_error_s: -1 is below 0",
        ),
        ("tags: [{model: m}]", "tags[0].tags: is needed"),
        ("tags: [{}]", "tags[0].tags: is needed"),
        ("tags: [{tags: ['a b']}]", "tags[0].tags[0]: has characters that are not allowed"),
        ("tags: [{tag: [a]}]", "tags[0].tag: must be text (quote it)"),
        (
            "purges: [{cron: '0 3 * *', everything: true}]",
            "purges[0].cron: is no cron expression: Wrong number of fields",
        ),
        (
            "purges: [{cron: '0 25 * * *', everything: true}]",
            "purges[0].cron: is no cron expression: Bad hour",
        ),
        (
            "purges: [{cron: '0 0 31 2 *', everything: true}]",
            "purges[0].cron: is no cron expression: Bad day-of-month",
        ),
        (
            "purges: [{cron: '0 3 * * *'}]",
            "purges[0]: chooses nothing: give a condition, or everything: true",
        ),
        (
            "purges: [{everything: true, tags: [a]}]",
            "purges[0].tags: contradicts everything: true",
        ),
        (
            "purges: [{older_than: 5}]",
            "purges[0].older_than: unknown key, did you mean older_than_s?",
        ),
    ],
)
def test_problem(tmp_path: Path, text: str, expected: str) -> None:
    """One line, with the key and what is wrong with it."""
    file = tmp_path / "config.yaml"
    file.write_text(f"cache: {{{text}}}")
    with pytest.raises(ConfigError) as caught:
        load(file, {})

    assert caught.value.problems == [f"cache.{expected}"]


def test_what_the_examples_say_is_valid(tmp_path: Path) -> None:
    """The examples that config.yaml gives in comments can be taken as they are."""
    shipped = (Path(__file__).parents[2] / "config.yaml").read_text()
    taken = [
        line.partition("# Example:")[2]
        for line in shipped.splitlines()
        if "# Example: - { cron:" in line or "# Example: - { namespace:" in line
    ]
    tags, purges = (
        "\n".join(one for one in taken if ("cron:" in one) is is_purge)
        for is_purge in (False, True)
    )
    file = tmp_path / "config.yaml"
    file.write_text(f"cache:\n tags:\n{tags}\n purges:\n{purges}\n")
    found = load(file, {}).cache

    assert len(found.tags) == 1
    assert [purge.cron for purge in found.purges] == ["0 3 * * *", "30 * * * *"]
