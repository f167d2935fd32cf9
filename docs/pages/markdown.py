"""Markdown from values: tables, names in code, one page with its header."""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Sequence

_HEADER = "<!-- Rendered from the code by docs/pages. Change the code, then run: make docs -->"


def page(title: str, *blocks: str) -> str:
    """A whole page; empty blocks are left out."""
    return "\n\n".join([f"# {title}", _HEADER, *filter(None, map(str.strip, blocks))]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def code(text: str) -> str:
    return f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    return ", ".join(map(code, texts))


def doc(thing: object) -> str:
    """A docstring on one line; empty where there is none of its own."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    name = getattr(thing, "__name__", "")
    return "" if text.startswith(f"{name}(") else " ".join(text.split())


def field_docs(kind: type) -> dict[str, str]:
    """The docstring below each field of a class, and of the classes that it inherits from."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("duebook") and "[" not in base.__name__:  # no Page[Job]
            found |= _own_field_docs(base)
    return found


def _own_field_docs(kind: type) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, following in zip(body.body, body.body[1:], strict=False):
        match field, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = text
    return found
