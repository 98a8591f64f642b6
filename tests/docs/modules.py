"""Writes docs/modules.md from the first lines of the program's files."""

import ast
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "modules.md"
SCRIPTS = ROOT / "proxy" / "web" / "dashboard" / "static"
TABLE = "| file | |\n|---|---|"

HEAD = """# Every file

What each file of `proxy` is for, in its own first line. How they belong together:
[architecture.md](architecture.md). This page is written by `python -m tests.docs.reference`.
"""


def page() -> str:
    """The whole page."""
    found = [*(ROOT / "proxy").rglob("*.py"), *SCRIPTS.glob("*.js")]
    files = sorted(found, key=lambda file: (file.parent, file.name))
    folders = groupby(files, key=lambda file: file.parent.relative_to(ROOT).as_posix())
    return "\n".join([HEAD, *(_folder(name, list(found)) for name, found in folders)])


def _folder(name: str, files: list[Path]) -> str:
    return f"## {name}\n\n" + "\n".join(_lines(files)) + "\n"


def _lines(files: list[Path]) -> Iterator[str]:
    """The folder's own line, then a line a file."""
    if files[0].suffix == ".js":
        yield f"The dashboard's scripts, which a browser runs.\n\n{TABLE}"
    for file in files:
        line = _first(file)
        if file.name == "__init__.py":
            yield f"{line}\n\n{TABLE}"
        else:
            said = line.replace("|", "\\|")
            yield f"| `{file.name}` | {said} |"


def _first(file: Path) -> str:
    """What a file says of itself, in its first line."""
    text = file.read_text()
    if file.suffix == ".js":
        return text.partition("\n")[0].removeprefix("// ")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
