"""Carries a Dockerfile's steps out without a container engine: each stage in a root of its own.

A root is a copy of the base, and a step that runs is run in it by chroot, in mount and process
namespaces of its own. What stands in for the base image is Debian's minimal system of the same
release, with its own Python of the same version.
"""

import json
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.image.dockerfile import Step, assignments, context, expanded, stages
from tests.support.commands import run, say

RELEASE: Final = "trixie"
"""Debian's release that `python:3.13-slim` is made of; its Python is 3.13 as well."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LENT: Final = ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt")
"""Files of this machine by which steps find and trust the package index."""


@dataclass(slots=True)
class Image:
    """A stage as it has become so far.

    Attributes:
        root: Its file system.
        folder: Where steps run, and a container starts.
        user: Who starts it, by name.
        environment: Its variables.
        told: The values of `ENTRYPOINT`, `CMD`, `HEALTHCHECK` and `VOLUME`.
    """

    root: Path
    folder: str = "/"
    user: str = "root"
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    told: dict[str, str] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """All of it into a file, for another process."""
        file.write_text(json.dumps({**asdict(self), "root": str(self.root)}))

    @classmethod
    def read(cls, file: Path) -> "Image":
        """As it was written."""
        told = json.loads(file.read_text())
        return cls(**{**told, "root": Path(told["root"])})


def base(kept: Path) -> Path:
    """The system that stands in for the base image; made once."""
    root = kept / f"{RELEASE}-root"
    if not (root / "made").exists():
        shutil.rmtree(root, ignore_errors=True)
        packages = "--include=python3,python3-venv,ca-certificates"
        run("debootstrap", "--variant=minbase", packages, RELEASE, str(root))
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        (root / "made").touch()
    return root


def built(project: Path, kept: Path) -> Image:
    """The last stage of the project's Dockerfile, all steps carried out."""
    ready: dict[str, Image] = {}
    image = None
    for name, steps in stages(project / "Dockerfile"):
        root = kept / f"stage-{name}"
        shutil.rmtree(root, ignore_errors=True)
        run("cp", "--archive", str(base(kept)), str(root))
        image = ready[name] = Image(root)
        _check_base(steps[0], image)
        for step in steps[1:]:
            say(f"[{name}] {step.name} {step.value[:80]}")
            _carry_out(step, image, project, ready)
    assert image is not None, "the Dockerfile has no stage"
    return image


def _check_base(step: Step, image: Image) -> None:
    """Raise where the stand-in's Python is not the one that `FROM python:X.Y-slim` names."""
    asked = step.value.split()[0].removeprefix("python:").removesuffix("-slim")
    found = _inside(image, "python --version", output=True)
    if not found.startswith(f"Python {asked}."):
        raise SystemExit(f"FROM {step.value} is not what stands in for it: {found}")


def _carry_out(step: Step, image: Image, project: Path, ready: Mapping[str, Image]) -> None:
    match step.name:
        case "RUN":
            _inside(image, step.value)
        case "COPY":
            _copy(expanded(step.value, image.environment), image, project, ready)
        case "ENV":
            for name, value in assignments(step.value).items():
                image.environment[name] = expanded(value, image.environment)
        case "WORKDIR":
            image.folder = step.value
            (image.root / step.value.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "USER":
            image.user = step.value
        case "ENTRYPOINT" | "CMD" | "HEALTHCHECK" | "VOLUME":
            image.told[step.name] = step.value
        case "EXPOSE" | "LABEL" | "STOPSIGNAL":
            pass
        case _:
            raise SystemExit(f"This cannot carry out {step.name}: teach it, or leave it out")


def _copy(value: str, image: Image, project: Path, ready: Mapping[str, Image]) -> None:
    words = value.split()
    origin = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else None
    *sources, target = words
    goal = image.root / os.path.join(image.folder, target).lstrip("/")  # noqa: PTH118 - inside the root
    for source in sources:
        if origin is not None:
            run("cp", "--archive", str(ready[origin].root / source.lstrip("/")), str(goal))
            continue
        files = [one for one in context(project) if one.is_relative_to(source)]
        if not files:
            raise SystemExit(f"COPY {source}: .dockerignore leaves nothing of it")
        for file in files:
            inner = file.relative_to(source)
            is_folder = target.endswith("/") and inner == Path()
            to = goal / file.name if is_folder or target == "./" else goal / inner
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / file, to)


def _inside(image: Image, line: str, *, output: bool = False) -> str:
    """Run a shell's line in a root, as its user; returns what it prints where that is asked for."""
    lent = [file for file in LENT if Path(file).exists()]
    mounts = [f"mount -t proc proc {image.root}/proc", f"mount --rbind /dev {image.root}/dev"]
    mounts += [
        f"touch {image.root}{file} && mount --bind {file} {image.root}{file}" for file in lent
    ]
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    variables = [f"{name}={value}" for name, value in {**pip, **image.environment}.items()]
    shell = ["/bin/sh", "-c", f"cd {shlex.quote(image.folder)} && {line}"]
    chroot = [
        "chroot",
        f"--userspec={image.user}",
        str(image.root),
        "env",
        "-i",
        *variables,
        *shell,
    ]
    whole = " && ".join((*mounts, shlex.join(["exec", *chroot])))
    how: dict[str, Any] = {} if output else {"stdout": None}
    return run("unshare", "--mount", "--pid", "--fork", "sh", "-c", whole, **how)
