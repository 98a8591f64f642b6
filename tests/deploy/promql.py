"""Whether a PromQL query fits the series that docs/metrics.md lists."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import promql_parser as promql
from prometheus_client import CollectorRegistry, ProcessCollector

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
SCRAPED = frozenset({"job", "instance"})
"""Labels that Prometheus gives to whatever it scrapes."""

OF_COUNTERS = frozenset({"rate", "irate", "increase"})
OF_GAUGES = frozenset({"deriv", "delta", "min_over_time", "max_over_time", "changes"})

VARIABLES = {
    "$__rate_interval": "5m",
    "$__range": "6h",
    "$job": ".*",
    "$instance": ".*",
}
"""Grafana's own, and those of the dashboard."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series: `kind` is `counter`, `gauge` or `bucket`."""

    kind: str
    labels: frozenset[str]


def documented() -> dict[str, Series]:
    """What `/metrics` serves and Prometheus adds, by name."""
    text = DOCS.read_text()
    known = {"up": Series("gauge", SCRAPED)}
    for name, kind, cell in re.findall(
        r"^\| `(reprise_\w+)` \| (\w+) \| (.*?) \|", text, re.MULTILINE
    ):
        known |= _series(name, kind, SCRAPED | set(re.findall(r"`(\w+)`", cell)))
    for name in re.findall(r"gauge `(reprise_\w+)`", text):
        known |= _series(name, "gauge", SCRAPED)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for family in registry.collect():
        for sample in family.samples:
            known |= _series(sample.name, family.type, SCRAPED)
    return known


def _series(name: str, kind: str, labels: frozenset[str]) -> dict[str, Series]:
    match kind:
        case "histogram":
            sums = {name + end: Series("counter", labels) for end in ("_sum", "_count")}
            return sums | {f"{name}_bucket": Series("bucket", labels | {"le"})}
        case "gauge":
            return {name: Series(kind, labels | {"worker"})}
        case _:
            return {name: Series(kind, labels)}


def values() -> frozenset[str]:
    """Every word that the page has in backticks: what a label may be."""
    return frozenset(re.findall(r"`([\w.]+)`", DOCS.read_text()))


def parsed(query: str) -> promql.Expr:
    """The query, with the dashboard's variables replaced. Raises ValueError."""
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    return promql.parse(query)


def problems(query: str, known: Mapping[str, Series]) -> list[str]:
    """What does not fit, in words; none for a query that does."""
    nodes = _nodes(parsed(query))
    selectors = _selectors(nodes)
    found = [problem for one in selectors for problem in _unfit(one, known)]
    if not found:
        carried = frozenset().union(*(known[one.name or ""].labels for one in selectors))
        named = [label for node in nodes for label in _named(node)]
        found = [f"no series here has {label}" for label in named if label not in carried]
        found += [problem for node in nodes for problem in _misused(node, known)]
    return found


def labels(tree: promql.Expr, known: Mapping[str, Series]) -> frozenset[str]:
    """The labels that the query's result has."""
    found: frozenset[str] = frozenset()
    match tree:
        case promql.VectorSelector(name=name):
            found = known[name or ""].labels
        case promql.MatrixSelector(vector_selector=inner):
            found = labels(inner, known)
        case promql.AggregateExpr(expr=inner, modifier=promql.AggModifier() as modifier):
            is_by = modifier.type == promql.AggModifierType.By
            chosen = frozenset(modifier.labels)
            found = labels(inner, known)
            found = found & chosen if is_by else found - chosen
        case promql.Call(func=function, args=args):
            found = found.union(*(labels(one, known) for one in args))
            found = found - {"le"} if function.name == "histogram_quantile" else found
        case promql.BinaryExpr(lhs=left, rhs=right):
            found = labels(left, known) or labels(right, known)
        case promql.ParenExpr(expr=inner) | promql.UnaryExpr(expr=inner):
            found = labels(inner, known)
        case _:
            pass
    return found


def _nodes(tree: promql.Expr) -> list[promql.Expr]:
    nodes: list[promql.Expr] = []
    promql.walk(tree, pre_visit=nodes.append)
    return nodes


def _selectors(nodes: list[promql.Expr]) -> list[promql.VectorSelector]:
    return [node for node in nodes if isinstance(node, promql.VectorSelector)]


def _unfit(selector: promql.VectorSelector, known: Mapping[str, Series]) -> Iterator[str]:
    series = known.get(selector.name or "")
    if series is None:
        yield f"there is no {selector.name}"
        return
    for matcher in selector.matchers.matchers:
        if matcher.name not in series.labels:
            yield f"{selector.name} has no {matcher.name}"
        elif matcher.name not in SCRAPED:
            unknown = set(matcher.value.split("|")) - values()
            yield from (f"{matcher.name} is never {value}" for value in sorted(unknown))


def _named(node: promql.Expr) -> list[str]:
    """Labels that an operation names."""
    match node:
        case promql.AggregateExpr(modifier=promql.AggModifier(labels=named)):
            return list(named)
        case promql.BinaryExpr(
            modifier=promql.BinModifier(matching=promql.LabelModifier(labels=named))
        ):
            return list(named)
        case _:
            return []


def _misused(node: promql.Expr, known: Mapping[str, Series]) -> Iterator[str]:
    if not isinstance(node, promql.Call):
        return
    name = node.func.name
    for selector in _selectors(_nodes(node)):
        kind = known[selector.name or ""].kind
        if name in OF_COUNTERS and kind == "gauge":
            yield f"{name} of a gauge, {selector.name}"
        if name in OF_GAUGES and kind != "gauge":
            yield f"{name} of a {kind}, {selector.name}"
        if name == "histogram_quantile" and kind != "bucket":
            yield f"{name} of a {kind}, {selector.name}"
