"""Files that hold what callers said: made for the user of this program alone, whatever the umask.

A file or folder that is there already keeps the mode that somebody gave it.
"""

import os
from pathlib import Path
from typing import Final

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where they are missing. Raises OSError.

    `Path.mkdir` gives its mode to the last one only.
    """
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(FOLDER_MODE, exist_ok=True)


def opened(path: Path, flags: int) -> int:
    """The file's descriptor; it and its folder are made where they are missing. Raises OSError."""
    make_folder(path.parent)
    return os.open(path, flags | os.O_CREAT, FILE_MODE)
