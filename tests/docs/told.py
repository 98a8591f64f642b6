"""What the program's own source says that it tells and reads: events, variables, headers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PROXY = Path(__file__).parents[2] / "proxy"

TELLERS = {"event", "_event", "on_event", "_on_event"}
"""What is called to tell an event, or is passed on together with what it shall tell."""

HEADER = re.compile(r"x-[a-z][a-z-]+")


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    """Every node of every file."""
    for path in sorted(PROXY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            yield path, node


def events() -> dict[str, set[str]]:
    """Every event's name, and the fields that it is told with.

    Raises:
        AssertionError: The name of one is not written where it is told, so that nobody can look it
            up; only who passes events on may do so.
    """
    found: dict[str, set[str]] = {}
    for path, node in nodes():
        if not isinstance(node, ast.Call):
            continue
        said = _said(node)
        if said is None:
            continue
        names = _names(said)
        assert names or _passes_on(said), f"{path}:{node.lineno}: an event without a name"
        fields = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
        for name in names:
            found.setdefault(name, set()).update(fields)
    return found


def _names(said: ast.expr) -> set[str]:
    """One, or either of two."""
    if isinstance(said, ast.IfExp):
        return _names(said.body) | _names(said.orelse)
    return _texts(said)


def _said(call: ast.Call) -> ast.expr | None:
    """What a call tells: `observer.event("x")`, or `partial(observer.event, "x")`."""
    if _name(call.func) in TELLERS and call.args:
        return call.args[0]
    if _name(call.func) == "partial" and _name(call.args[0]) in TELLERS:
        return call.args[1]
    return None


def _passes_on(said: ast.expr) -> bool:
    """`event(name, **fields)` of an observer, or of a memory that wants the time first."""
    return _name(said) == "name" or (isinstance(said, ast.Call) and _name(said.func) == "_clock")


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def variables() -> set[str]:
    """The variables of the environment that are read by name."""
    found = set()
    named = _named()
    for _, node in nodes():
        if isinstance(node, ast.Subscript) and _name(node.value) == "environ":
            found |= _texts(node.slice)
        elif isinstance(node, ast.Call):
            owner = node.func.value if isinstance(node.func, ast.Attribute) else None
            is_read = _name(node.func) == "getenv" or (
                owner is not None and _name(owner) == "environ"
            )
            constants = {_name(one) for one in node.args[:1] if _name(one).isupper()}
            if is_read:
                found |= _texts(*node.args[:1]) | {named.get(one, one) for one in constants}
            found |= _texts(*(one.value for one in node.keywords if one.arg == "envvar"))
    return found


def _texts(*given: ast.expr) -> set[str]:
    return {
        one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


def _named() -> dict[str, str]:
    """The program's own constants that are texts; one of a library is called as its value."""
    return {
        target.id: node.value.value
        for _, node in nodes()
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def headers() -> set[str]:
    """Every text in the source that is the name of an `x-` header, or is looked up among headers.

    What the commands read of a proxy's replies is left out: it is what proxies write.
    """
    found = set()
    for path, node in nodes():
        if "cli" in path.parts:
            continue
        if isinstance(node, ast.Constant) and HEADER.fullmatch(str(node.value)):
            found.add(str(node.value))
        found |= _looked_up(node)
    return found


def _looked_up(node: ast.AST) -> set[str]:
    """`headers.get("x")`, `headers["x"]` and `"x" in headers`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        is_headers = node.func.attr in {"get", "getall"} and _is_headers(node.func.value)
        return _texts(*node.args[:1]) if is_headers else set()
    if isinstance(node, ast.Subscript) and _is_headers(node.value):
        return _texts(node.slice)
    if isinstance(node, ast.Compare) and _is_headers(node.comparators[0]):
        return _texts(node.left)
    return set()


def _is_headers(node: ast.expr) -> bool:
    return _name(node).lower().endswith("headers")
