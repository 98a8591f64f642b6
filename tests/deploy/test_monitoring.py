"""Alert rules and dashboard ask for what the proxy tells."""

import json
import re
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.promql import Series, documented, labels, parsed, problems

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text())
TRIED = (ROOT / "deploy" / "prometheus" / "alerts.test.yaml").read_text()
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "reprise.json").read_text())
RUNBOOK = (ROOT / "docs" / "monitoring.md").read_text()

Json = dict[str, Any]

ALL: list[Json] = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in ALL if "alert" in rule]
PANELS: list[Json] = DASHBOARD["panels"]
QUERIES: list[tuple[str, str, str]] = [
    (f"{panel['title']} {query['refId']}", query["expr"], query["legendFormat"])
    for panel in PANELS
    for query in panel.get("targets", ())
] + [
    (note["name"], note["expr"], note["titleFormat"] + note["textFormat"])
    for note in DASHBOARD["annotations"]["list"]
]


def known() -> dict[str, Series]:
    """The proxy's series, and those that the rules record from them."""
    series = documented()
    for rule in ALL:
        if "record" in rule:
            series[rule["record"]] = Series("gauge", labels(parsed(rule["expr"]), series))
    return series


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_ask_for_what_there_is(rule: Json) -> None:
    """Every series, label and value in a rule is one that docs/metrics.md lists, of that type."""
    assert problems(rule["expr"], known()) == []


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[0])
def test_panels_ask_for_what_there_is(query: tuple[str, str, str]) -> None:
    """The same of the dashboard; and a legend names labels that the result has."""
    _, expression, legend = query
    series = known()

    assert problems(expression, series) == []
    assert set(re.findall(r"{{(\w+)}}", legend)) <= labels(parsed(expression), series)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("rate(reprise_request_total[5m])", "there is no reprise_request_total"),
        ('reprise_tier_entries{stage="x"}', "reprise_tier_entries has no stage"),
        ('reprise_requests_total{result="hit_or_miss"}', "result is never hit_or_miss"),
        ('reprise_requests_total{result=~"HIT|FOUND"}', "result is never FOUND"),
        ("sum by (model) (reprise_requests_total)", "no series here has model"),
        ("rate(reprise_tier_entries[5m])", "rate of a gauge, reprise_tier_entries"),
        ("deriv(reprise_events_total[5m])", "deriv of a counter, reprise_events_total"),
        (
            "histogram_quantile(0.9, rate(reprise_stage_duration_seconds_sum[5m]))",
            "histogram_quantile of a counter, reprise_stage_duration_seconds_sum",
        ),
    ],
)
def test_what_is_not_there_is_noticed(query: str, problem: str) -> None:
    """A query for what the proxy does not tell would never raise an alert: it is refused here."""
    assert problems(query, documented()) == [problem]


def test_what_is_no_promql_is_noticed() -> None:
    """A query that Prometheus could not read is refused here."""
    with pytest.raises(ValueError, match="unclosed"):
        parsed("sum by (job) (rate(x[5m])")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_alerts_are_whole(alert: Json) -> None:
    """Who is woken hears how grave it is, what it means for callers, and what to do."""
    said = alert["annotations"]
    page, _, place = said["runbook_url"].partition("#")
    asked = re.findall(r"\$labels\.(\w+)", f"{said['summary']} {said['description']}")

    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert set(said) == {"summary", "description", "runbook_url"}
    assert (page, place) == ("docs/monitoring.md", alert["alert"].lower())
    assert set(asked) <= labels(parsed(alert["expr"]), known())
    assert alert["alert"] in TRIED


def test_runbook() -> None:
    """Each alert has its section in the runbook, and no section is left of one that is gone."""
    assert re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE) == [one["alert"] for one in ALERTS]


def test_panels_lie_beside_each_other() -> None:
    """Grafana shows every panel where it stands, with an id of its own and a text."""
    places = [panel["gridPos"] for panel in PANELS]

    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert all(panel["title"] for panel in PANELS)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []
    assert all(one["y"] <= other["y"] for one, other in pairwise(places))


def overlap(one: Json, other: Json) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("x", "w"), ("y", "h"))
    )


def test_panels_follow_the_variables() -> None:
    """One dashboard serves every data source, job and proxy: what is chosen holds everywhere."""
    chosen = {one["name"] for one in DASHBOARD["templating"]["list"]}
    sources = {json.dumps(panel["datasource"]) for panel in PANELS if panel["type"] != "row"}

    assert chosen == {"datasource", "job", "instance"}
    for one in DASHBOARD["templating"]["list"][1:]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"]["query"])
        assert found is not None
        assert problems(found[1], known()) == []
        assert found[2] == one["name"]
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    for _, expression, _ in QUERIES:
        metrics = len(re.findall(r"\b(?:reprise|process)_\w+\{", expression))
        assert metrics == expression.count('{job=~"$job", instance=~"$instance"') > 0
