"""The Python of the documents: types fit, and the tests in it pass without any server, as a reader runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.documents import DOCUMENTS, Block, blocks

PYTHON = [block for document in DOCUMENTS for block in blocks(document) if block.language == "python"]
TESTS = [block for block in PYTHON if "def test_" in block.text]


def file_name(block: Block) -> str:
    """The name that the reader is told, else one that says where the block stands."""
    return block.module or f"test_{block.document.stem.replace('-', '_')}_{block.line}.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All blocks as files of one folder."""
    folder = tmp_path_factory.mktemp("documents")
    for block in PYTHON:
        (folder / file_name(block)).write_text(block.text, encoding="utf-8")
    return folder


def run(folder: Path, *command: str) -> None:
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# Only stubs make `asyncpg.Pool` generic, and few users have them.
_CHECK = ("-m", "mypy", "--strict", "--allow-any-generics", "--no-incremental")


def test_every_block_passes_the_strict_type_check(folder: Path) -> None:
    run(folder, *_CHECK, ".")


def test_the_tests_that_documents_show_pass(folder: Path) -> None:
    assert len(TESTS) >= 4
    run(folder, "-m", "pytest", "-q", *map(file_name, TESTS))
