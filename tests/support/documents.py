"""The documents as the tests read them: fenced blocks with their marks, code spans, and the code that they name.

A mark is what follows the language of a fence. Of shell blocks: none is run and must succeed, `fails` is run and must
fail, `placeholder` sets ids that a reader copies by hand, `operator` is run by a test of the page that has servers
of its own, `setup`, `docker` and `kubernetes` are only checked. Of JSON:
`answer` has the shape of what the block before printed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    ROOT / "tests/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
)
_SOURCES = ("libs", "services", "tests", "benchmarks", "docs", "deploy", "examples")
MARKS = {
    "sh": {"", "fails", "placeholder", "setup", "operator", "docker", "kubernetes"},
    "json": {"answer"},
    "python": {""},
    "text": {"", "make up"},
    "yaml": {""},
    "": {""},
}

_FENCE = re.compile(r"^( *)```(\w*) *([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_MODULE = re.compile(r"# (\w+\.py)\n")
_PLATFORM = re.compile(r"<!-- platform: (.*) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is where it begins in its document."""

    document: Path
    line: int
    language: str
    mark: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def module(self) -> str | None:
        """The name under which a reader saves a block of Python; None for a script."""
        named = _MODULE.match(self.text) if self.language == "python" else None
        return named[1] if named else None


@cache
def blocks(document: Path) -> tuple[Block, ...]:
    text = document.read_text(encoding="utf-8")
    return tuple(_block(document, text, found) for found in _FENCE.finditer(text))


def _block(document: Path, text: str, found: re.Match[str]) -> Block:
    indent, language, mark, body = found.groups()
    lines = (line.removeprefix(indent) for line in body.splitlines(keepends=True))
    return Block(document, text.count("\n", 0, found.start()) + 1, language, mark.strip(), "".join(lines))


@cache
def prose(document: Path) -> str:
    """The document without its fenced blocks."""
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def spans(document: Path) -> Iterator[str]:
    """What stands in code spans."""
    return (found[1] for found in _SPAN.finditer(prose(document)))


def platform_settings(document: Path) -> dict[str, str]:
    """The environment that a document asks for its services, in a comment."""
    found = _PLATFORM.search(document.read_text(encoding="utf-8"))
    return dict(pair.split("=", 1) for pair in found[1].split()) if found else {}


def is_run(block: Block) -> bool:
    return block.language == "python" or (block.language == "sh" and block.mark in {"", "fails", "placeholder"})


def task_modules() -> dict[str, str]:
    """The modules of tasks that documents have their readers write, by name."""
    every = (block for document in DOCUMENTS for block in blocks(document))
    return {block.module: block.text for block in every if block.module}


@cache
def files() -> dict[str, str]:
    """Every Python file by its path, with its text."""
    found = (path for top in _SOURCES for path in (ROOT / top).rglob("*.py"))
    return {f"/{path.relative_to(ROOT)}": path.read_text(encoding="utf-8") for path in found}


def named(path: str) -> list[str]:
    """The files that a document's path may mean: it may leave out folders in front."""
    return [known for known in files() if known.endswith(f"/{path}")]


def defines(text: str, name: str) -> bool:
    """Whether a file defines the name, in Python or in SQL."""
    defined = rf"\b(def|class|FUNCTION|CONSTRAINT) {name}\b|^ *([\w, ]+, )?{name}\b[^\n(]*="
    return re.search(defined, text, re.MULTILINE) is not None


@cache
def folders() -> set[str]:
    """Every folder of the repository, by its path from the root and by each end of that."""
    found = {ROOT / top for top in _SOURCES} | {path.parent for top in _SOURCES for path in (ROOT / top).rglob("*.*")}
    parts = (path.relative_to(ROOT).parts for path in found if "__pycache__" not in path.parts)
    return {"/".join(each[n:]) for each in parts for n in range(len(each))}
