"""Hold what is deployed to its schemas: `python -m tests.deploy ENVIRONMENT`.

The compose files, the Kubernetes manifests and what the chart comes to, by several values, are
checked by the schemas of Compose and of Kubernetes, oldest and newest version; the workflows by
GitHub's, and by zizmor for what is unsafe in them. The chart is rendered by Helm where there is
one, and by `helm/render.go` in any case: both must say the same.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.commands import run

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
CHART: Final = DEPLOY / "helm" / "reprise"
RENDER: Final = Path(__file__).parent / "helm"
VERSIONS: Final = ("1.29", "1.37")
GO: Final = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
"""Where Debian's packages put Go's libraries."""

EXTENSIONS: Final = ("monitoring.coreos.com/", "kustomize.config.k8s.io/")
"""Groups of what is no part of Kubernetes: its schemas do not know them."""

Json = dict[str, Any]


in_root = partial(run, cwd=ROOT)
"""Run a program from the project's folder."""


def documents(text: str) -> list[Json]:
    """The documents that Kubernetes' own schemas know."""
    found = [one for one in yaml.safe_load_all(text) if one is not None]
    return [one for one in found if not one["apiVersion"].startswith(EXTENSIONS)]


def rendered() -> Iterator[tuple[str, str]]:
    """(values, what the chart comes to) of each file of values."""
    for values in sorted((RENDER / "values").glob("*.yaml")):
        go = ("go", "run", RENDER / "render.go", CHART, values)
        ours = in_root(*go, env=os.environ | GO, stderr=subprocess.DEVNULL)
        if helm := shutil.which("helm"):
            in_root(helm, "lint", "--strict", CHART, "--values", values)
            theirs = in_root(helm, "template", "cache", CHART, "--values", values)
            by_name = {_named(one): one for one in documents(ours)}
            assert by_name == {_named(one): one for one in documents(theirs)}, values
        yield values.name, ours


def _named(document: Json) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def main(arguments: list[str]) -> int:
    """Check everything; returns the exit status."""
    programs = Path(arguments[0]).absolute() / "bin"
    schema = programs / "check-jsonschema"
    in_root(
        schema, "--builtin-schema", "vendor.compose-spec", *DEPLOY.glob("compose/compose*.yaml")
    )
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    in_root(schema, "--builtin-schema", "vendor.github-workflows", *workflows)
    in_root(schema, "--builtin-schema", "vendor.dependabot", ROOT / ".github" / "dependabot.yml")
    in_root(programs / "zizmor", "--offline", "--quiet", ".github", stderr=None)
    known = CHART / "values.schema.json"
    in_root(schema, "--schemafile", known, CHART / "values.yaml")
    with tempfile.TemporaryDirectory() as name:
        files = []
        texts = [(file.name, file.read_text()) for file in DEPLOY.glob("kubernetes/*/*.yaml")]
        for number, (label, text) in enumerate([*texts, *rendered()]):
            if known_ones := documents(text):
                files.append(Path(name) / f"{number}-{label}")
                files[-1].write_text(yaml.safe_dump_all(known_ones))
        for version in VERSIONS:
            in_root(programs / "kubernetes-validate", "-k", version, "--strict", "--quiet", *files)
    helm = "Helm says the same" if shutil.which("helm") else "there is no Helm here to compare with"
    sys.stdout.write(f"{len(files)} files pass by Kubernetes {' and '.join(VERSIONS)}; {helm}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
