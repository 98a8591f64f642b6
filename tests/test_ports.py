"""What the ports promise by their shape: no tier answers that was not told for whom."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy import ports

ROOT = Path(__file__).parent.parent
ANSWERS = ("Entry", "Candidate")
"""Types that somebody may be answered from."""

FOR_WHOM = ("scope", "caller")
OPERATORS = ("Archive", "Catalogue", "Survey", "Index")
"""Ports that look over all scopes."""

ANSWERING = (
    "gateway",
    "searching",
    "repeats",
    "asking",
    "coalescing",
    "batching",
    "batchcalls",
    "storing",
    "flights",
    "refreshing",
    "core/lookup",
    "web/lane",
    "web/cached",
    "web/embeddings",
)
"""Modules that answer callers."""


def reading() -> Iterator[tuple[str, inspect.Signature]]:
    """Every method of a port that gives somebody's answer, or where one is."""
    for name in ports.__all__:
        kind = getattr(ports, name)
        if not getattr(kind, "_is_protocol", False):
            continue
        methods: dict[str, Any] = {n: f for n, f in vars(kind).items() if inspect.isfunction(f)}
        for called, method in methods.items():
            signature = inspect.signature(method)
            if any(one in str(signature.return_annotation) for one in ANSWERS):
                yield f"{name}.{called}", signature


READING = dict(reading())


def test_the_ports_that_read_are_known() -> None:
    """The rule below is about these, and a new one comes under it by itself."""
    assert {"SessionTier.get", "SharedTier.get", "VectorTier.search", "Leases.claim"} <= set(
        READING
    )


@pytest.mark.parametrize("name", READING)
def test_no_entry_is_read_without_a_scope(name: str) -> None:
    """Who reads says for whom, or is a port for operators that nobody is answered from."""
    told = set(READING[name].parameters)

    assert told.intersection(FOR_WHOM) or name.partition(".")[0] in OPERATORS


@pytest.mark.parametrize("module", ANSWERING)
def test_who_answers_callers_knows_no_operators_port(module: str) -> None:
    """What looks over all scopes is not even imported where requests are answered."""
    tree = ast.parse((ROOT / "proxy" / f"{module}.py").read_text())
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert names.isdisjoint(OPERATORS)
