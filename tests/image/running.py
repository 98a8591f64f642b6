"""Starts an image as a container would be started that may do least.

Read-only root, its own user, no capability, no network but a loopback of its own: what is not in
the image cannot be had.
"""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.image.building import Image
from tests.image.dockerfile import command

PATIENCE_S: Final = 60


def mounted(image: Image, volume: Path) -> None:
    """Make the root read-only, with the volume and an empty /tmp in it. In a mount namespace."""
    root = str(image.root)
    inside = image.root / "data"
    for words in (
        f"mount --bind {root} {root}",
        f"mount -t proc proc {root}/proc",
        f"mount --rbind /dev {root}/dev",
        f"mount -t tmpfs tmpfs {root}/tmp",  # noqa: S108 - the image's own
        f"cp --archive --no-target-directory {inside} {volume}",  # as a new volume is filled
        f"mount --bind {volume} {inside}",
        f"mount -o remount,bind,ro {root}",
    ):
        subprocess.run(shlex.split(words), check=True)


def words(image: Image, line: list[str], environment: Mapping[str, str]) -> list[str]:
    """What runs a command in the image: as its user, with its variables and those given."""
    variables = [f"{name}={value}" for name, value in {**image.environment, **environment}.items()]
    chroot = ["chroot", f"--userspec={image.user}", str(image.root)]
    return [
        "setpriv",
        "--no-new-privs",
        *chroot,
        "env",
        "-i",
        "-C",
        image.folder,
        *variables,
        *line,
    ]


@contextmanager
def container(image: Image, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The image's own command, running and healthy by the image's own check. Ended by SIGTERM."""
    line = command(image.told["ENTRYPOINT"]) + command(image.told["CMD"])
    child = subprocess.Popen(words(image, line, environment))
    try:
        _wait(image, environment, child)
        yield child
        child.send_signal(signal.SIGTERM)
        code = child.wait(PATIENCE_S)
        assert code == 0, f"ended by SIGTERM with {code}"
    finally:
        child.kill()


def _wait(image: Image, environment: Mapping[str, str], child: subprocess.Popen[bytes]) -> None:
    check = words(image, command(image.told["HEALTHCHECK"].split("CMD", 1)[1]), environment)
    until = time.monotonic() + PATIENCE_S
    while subprocess.run(check, check=False, stderr=subprocess.DEVNULL).returncode:
        assert child.poll() is None, f"ended with {child.returncode}"
        assert time.monotonic() < until, "never healthy"
        time.sleep(0.1)


def refuses_writing(image: Image) -> bool:
    """Whether the image's user can write nowhere but in its volume and /tmp."""
    tries = (
        "for one in / /opt /etc /home; do touch $one/x 2>/dev/null && exit 1; done;"
        "touch /data/x /tmp/x"
    )
    tried = subprocess.run(words(image, ["/bin/sh", "-c", tries], {}), check=False)
    return tried.returncode == 0


def size(root: Path) -> int:
    """Bytes of all files under a root, on its own file system."""
    seen: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            told = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - tens of thousands of files
            seen[told.st_dev, told.st_ino] = told.st_size
    return sum(seen.values())
