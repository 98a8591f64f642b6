"""What is deployed names what there is; `make check-deploy` holds it to the schemas."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from proxy.config import load
from proxy.config.loading import OVERRIDES

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "reprise"
MANIFESTS = sorted(DEPLOY.glob("kubernetes/*/*.yaml"))
COMPOSE = sorted(DEPLOY.glob("compose/compose*.yaml"))
VARIABLES = {"CONFIG", *OVERRIDES}

Json = dict[str, Any]


def documents(file: Path) -> list[Json]:
    return [one for one in yaml.safe_load_all(file.read_text()) if one]


def containers() -> Iterator[tuple[Path, Json]]:
    """Those of the proxy's own, in the plain manifests."""
    for file in MANIFESTS:
        for one in documents(file):
            spec = one.get("spec", {}).get("template", {}).get("spec", {})
            for box in (*spec.get("initContainers", ()), *spec.get("containers", ())):
                if box["name"] == "reprise":
                    yield file, box


def settings(file: Path) -> list[str]:
    """The configurations in it."""
    if file.parent.name == "compose":
        return [file.read_text()]
    maps = [one for one in documents(file) if one["kind"] == "ConfigMap"]
    return [one["data"]["config.yaml"] for one in maps]


@pytest.mark.parametrize(
    "file", [*MANIFESTS, *DEPLOY.glob("compose/reprise*.yaml")], ids=lambda file: file.name
)
def test_configurations_can_be_used(file: Path, tmp_path: Path) -> None:
    """A key with a slip in it would keep the proxy from starting."""
    for text in settings(file):
        chosen = tmp_path / "config.yaml"
        chosen.write_text(re.sub(r"/etc/reprise/ca\.pem", __file__, text))
        load(chosen, {"REDIS_URL": "rediss://redis:6379/0"})


def test_the_chart_s_own_configuration_can_be_used(tmp_path: Path) -> None:
    """The same of the chart's values."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(values["config"]))

    load(file, {})


def test_variables_are_the_program_s() -> None:
    """In every container of the proxy's: an unknown variable would do nothing, and say nothing."""
    found = [{one["name"] for one in box["env"]} for _, box in containers()]
    for file in COMPOSE:
        box = yaml.safe_load(file.read_text())["services"]["reprise"]
        found.append(set(box["environment"]))
    chart = (CHART / "templates" / "deployment.yaml").read_text()
    found.append(set(re.findall(r"name: ([A-Z_]+)\b", chart)))

    assert len(found) == 5
    assert [names - VARIABLES for names in found] == [set()] * 5


def test_containers_may_do_the_least() -> None:
    """No root, no capability, no writing but where something is mounted; and memory has a bound."""
    found = list(containers())

    assert len(found) == 2
    for _, box in found:
        assert box["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in box["resources"]["limits"]
        assert {one["mountPath"] for one in box["volumeMounts"]} == {
            "/etc/reprise",
            "/data",
            "/tmp",  # noqa: S108 - the container's own
        }


def test_compose_mounts_what_there_is() -> None:
    """Every file that a container gets is in the repository."""
    for file in COMPOSE:
        for one in yaml.safe_load(file.read_text())["configs"].values():
            assert (file.parent / one["file"]).is_file(), one


def test_probes_ask_what_the_proxy_answers() -> None:
    """By `/healthz` alone: a cache in trouble is no reason to take a proxy away."""
    text = "".join(file.read_text() for file in (*MANIFESTS, *CHART.glob("templates/*.yaml")))

    assert set(re.findall(r"httpGet: {path: ([^,]+),", text)) == {"/healthz"}
    assert set(re.findall(r"exec: {command: \[([^\]]+)\]", text)) == {
        "reprise, probe",
        'sleep, "5"',
    }


def test_values_are_checked_by_their_schema() -> None:
    """What the tried values come to passes, and a slip in a name does not."""
    schema = jsonschema_rs.validator_for(json.loads((CHART / "values.schema.json").read_text()))
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for file in (Path(__file__).parent / "helm" / "values").glob("*.yaml"):
        assert schema.is_valid({**values, **(yaml.safe_load(file.read_text()) or {})}), file

    assert not schema.is_valid({**values, "replica": 3})


def test_the_chart_is_of_this_version() -> None:
    """One number for the program, the chart and the images that manifests ask for."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert {box["image"] for _, box in containers()} == {f"reprise:{version}"}


def test_the_autoscaler_asks_for_a_metric_that_there_is() -> None:
    """In the manifests and in the chart."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    text = "".join(file.read_text() for file in (*MANIFESTS, *CHART.glob("templates/*.yaml")))
    names = set(re.findall(r"metric: {name: (\w+)}", text))

    assert names == {"reprise_requests_in_flight"}
    assert all(f"`{name}`" in page for name in names)


def test_workflows_call_targets_that_there_are() -> None:
    """Every `make` is of a target that there is, and every action is pinned by its hash."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = file.read_text()
        for line in re.findall(r"run: make ([\w -]+)", text):
            assert set(line.split()) <= targets, line
        assert re.findall(r"uses: (?!\S+@[0-9a-f]{40} # v)\S+", text) == []
