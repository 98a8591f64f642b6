"""The code blocks of the documents, and the commands of those that are for a shell."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One block.

    Attributes:
        page: The document, as a path within the repository.
        line: Where its text begins, counted from 1.
        language: What stands after the fence; empty: nothing.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        """What a test is called by."""
        return f"{self.page}:{self.line}"

    @property
    def head(self) -> str:
        """Its first line."""
        return self.text.partition("\n")[0]


def blocks(*languages: str) -> list[Block]:
    """Every block of these languages, or of all."""
    found = [block for document in DOCUMENTS for block in _blocks(document)]
    return [block for block in found if not languages or block.language in languages]


def _blocks(document: Path) -> Iterator[Block]:
    text = document.read_text()
    for fence in FENCED.finditer(text):
        indent, language, inside = fence.groups()
        line = text.count("\n", 0, fence.start(3)) + 1
        dedented = re.sub(rf"^{indent}", "", inside, flags=re.MULTILINE)
        yield Block(document.relative_to(ROOT).as_posix(), line, language, dedented)


def commands(text: str) -> list[list[str]]:
    """The words of each command of a script, without comments and the variables before it.

    Raises ValueError where a quotation does not end.
    """
    lines = text.replace("\\\n", " ").splitlines()
    split = [_bare(shlex.split(line, comments=True)) for line in lines]
    return [words for words in split if words]


def _bare(words: list[str]) -> list[str]:
    """Without variables before it, and where its output goes."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    ends = [at for at, word in enumerate(words) if word in {">", "|", "&", "&&"}]
    return words[: ends[0]] if ends else words


def session(text: str) -> tuple[str, str]:
    """What a console was given, after its `$ `, and what it printed."""
    lines = text.splitlines(keepends=True)
    given = [line[2:] for line in lines if line.startswith("$ ")]
    return "".join(given), "".join(line for line in lines if not line.startswith("$ "))
