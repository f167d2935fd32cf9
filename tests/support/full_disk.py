"""A disk that is full: the archives of a folder find no more space than a test gives."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, folder: Path, space: int) -> Iterator[None]:
    """Let the files below the folder have this many bytes together."""
    open_ = Path.open

    def opened(path: Path, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        file = open_(path, mode, *arguments, **more)
        return _Limited(file, folder, space) if "w" in mode and path.is_relative_to(folder) else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        yield


class _Limited:
    """A file that takes what fits, and then refuses like the system does."""

    def __init__(self, file: Any, folder: Path, space: int) -> None:
        self._file, self._folder, self._space = file, folder, space

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> int:
        fits = max(0, self._space - sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file()))
        self._file.write(content[:fits])
        if fits < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(content)

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return int(self._file.fileno())
