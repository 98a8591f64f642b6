"""What the site shows of the repository around docs/, by hooks of MkDocs.

The README is the first page. A link to a file that is no page, such as in `deploy/`, is shown as
the file's path in the repository: where that is kept, the site does not know.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((\.\./[^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README as the first page, its links as seen from docs/."""
    text = (ROOT / "README.md").read_text()
    seen = re.sub(r"\]\((?!https?:|#)(?!docs/)([^)\s]+)\)", r"](../\1)", text)
    files.append(File.generated(config, "index.md", content=seen.replace("](docs/", "](")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Show files of the repository by their path."""
    folder = posixpath.dirname(page.file.src_uri)
    return LINK.sub(lambda found: _shown(found, folder), markdown)


def _shown(found: re.Match[str], folder: str) -> str:
    _, text, target = found.groups()
    name, mark, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(folder, name))
    if path == "../README.md":
        return f"[{text}]({posixpath.relpath('index.md', folder or '.')}{mark}{anchor})"
    if not path.startswith("../"):  # a page
        return found[0]
    path = path.removeprefix("../")
    if text.strip("`") in {path, Path(path).name}:
        return f"`{path}`"
    return f"{text} (`{path}`)"
