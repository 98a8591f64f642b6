"""The program under a clock that can be set: `python -m tests.faults.clocked FILE serve ...`.

FILE holds the seconds by which the clock is wrong, as a float64, and may be written at any time.
Only the time of day jumps, as it does when a machine's clock is set: what counts seconds does not.
The program is held to files' permissions even when root starts it.
"""

import ctypes
import mmap
import os
import struct
import sys
import time
from pathlib import Path

from proxy.cli import main

OFFSET = struct.Struct("<d")
CAPABILITIES_3 = 0x20080522
"""Version of the call `capset` that takes 64 capabilities."""


def set_wrong_by(file: Path, seconds: float) -> None:
    """Set the clock of the program that was started with this file."""
    with file.open("r+b") as clock:
        clock.write(OFFSET.pack(seconds))


def _hold_to_permissions() -> None:
    """Give up root's right to open any file (capabilities(7))."""
    if os.geteuid() == 0:
        header, none = struct.pack("=Ii", CAPABILITIES_3, 0), bytes(24)
        if ctypes.CDLL(None, use_errno=True).capset(header, none):
            raise OSError(ctypes.get_errno(), "capset")


def _run(file: Path) -> None:
    right = time.time
    with file.open("rb") as clock:
        view = mmap.mmap(clock.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    time.time = lambda: right() + OFFSET.unpack_from(view)[0]
    _hold_to_permissions()
    main(prog_name="reprise")


if __name__ == "__main__":
    _run(Path(sys.argv.pop(1)))
