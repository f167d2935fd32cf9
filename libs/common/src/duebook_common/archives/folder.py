"""Archives in a folder. A file appears under its name once it is on the disk as a whole."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from duebook_common.archives.errors import TargetUnavailable

_PART = 1024 * 1024  # bytes
_UNFINISHED = ".unfinished"
_REMEDIES = {
    errno.ENOSPC: "free its disk",
    errno.EDQUOT: "free its disk, or raise the quota",
    errno.EROFS: "mount it so that it can be written",
    errno.EACCES: "let the user of this program read and write there",
}


class Folder:
    """The folder must exist: one that is not mounted must not become a folder on another disk."""

    def __init__(self, path: str) -> None:
        self.address, self._path = path, Path(path)

    async def put(self, name: str, content: bytes) -> None:
        with self._errors():
            await asyncio.to_thread(self._write, self._path / name, content)

    def _write(self, path: Path, content: bytes) -> None:
        self._must_exist()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + _UNFINISHED)
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)  # half a file would keep a full disk full
            raise
        for directory in (path.parent, path.parent.parent):
            _sync(directory)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        with self._errors():
            await asyncio.to_thread(self._must_exist)
        start, is_last = 0, False
        with self._errors(FileNotFoundError):
            while not is_last:
                # Each call closes what it opens: a file that is open in between stays so if the reader is cancelled.
                part = await asyncio.to_thread(_part, self._path / name, start)
                start, is_last = start + len(part), len(part) < _PART
                if part:
                    yield part

    async def names(self, under: str = "") -> list[str]:
        with self._errors():
            paths = await asyncio.to_thread(self._files, under)
        return sorted(path.relative_to(self._path).as_posix() for path in paths if path.suffix != _UNFINISHED)

    def _files(self, under: str) -> list[Path]:
        self._must_exist()
        return [path for path in (self._path / under).rglob("*") if path.is_file()]

    async def delete(self, name: str) -> None:
        with self._errors():
            await asyncio.to_thread(self._delete, self._path / name)

    def _delete(self, path: Path) -> None:
        self._must_exist()
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _sync(path.parent)

    async def delete_unfinished(self, under: str) -> None:
        with self._errors():
            for path in await asyncio.to_thread(self._files, under):
                if path.suffix == _UNFINISHED:
                    await asyncio.to_thread(self._delete, path)

    def _must_exist(self) -> None:
        if not self._path.is_dir():
            raise TargetUnavailable(f"the folder for archives does not exist: {self.address}; create or mount it")

    @contextmanager
    def _errors(self, *expected: type[OSError]) -> Iterator[None]:
        """Raise TargetUnavailable where the system refuses, except for `expected`. A full disk names no file."""
        try:
            yield
        except OSError as error:
            if isinstance(error, (TargetUnavailable, *expected)):
                raise
            says = f"{error.filename or self.address}: {error.strerror or error}"
            remedy = _REMEDIES.get(error.errno or 0)
            raise TargetUnavailable(f"{says}; {remedy}" if remedy else says) from error


def _part(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        if start:
            file.seek(start)
        return file.read(_PART)


def _sync(directory: Path) -> None:
    """A name that was given in a directory survives a loss of power only once the directory is written, too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
