"""Archives in a folder. A file appears under its name once it is on the disk as a whole."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

_PART = 1024 * 1024  # bytes
_UNFINISHED = ".unfinished"


class Folder:
    """The folder must exist: one that is not mounted must not become a folder on another disk."""

    def __init__(self, path: str) -> None:
        self.address, self._path = path, Path(path)

    async def put(self, name: str, content: bytes) -> None:
        await asyncio.to_thread(self._write, self._path / name, content)

    def _write(self, path: Path, content: bytes) -> None:
        if not self._path.is_dir():
            raise FileNotFoundError(f"the folder for archives does not exist: {self.address}")
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + _UNFINISHED)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        for directory in (path.parent, path.parent.parent):
            _sync(directory)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        if not await asyncio.to_thread(self._path.is_dir):
            raise NotADirectoryError(f"the folder for archives does not exist: {self.address}")
        file = await asyncio.to_thread((self._path / name).open, "rb")
        with file:
            while part := await asyncio.to_thread(file.read, _PART):
                yield part

    async def names(self, under: str = "") -> list[str]:
        paths = await asyncio.to_thread(self._files, under)
        return sorted(path.relative_to(self._path).as_posix() for path in paths if path.suffix != _UNFINISHED)

    def _files(self, under: str) -> list[Path]:
        return [path for path in (self._path / under).rglob("*") if path.is_file()]

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self._delete, self._path / name)

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _sync(path.parent)

    async def delete_unfinished(self, under: str) -> None:
        for path in await asyncio.to_thread(self._files, under):
            if path.suffix == _UNFINISHED:
                await asyncio.to_thread(self._delete, path)


def _sync(directory: Path) -> None:
    """A name that was given in a directory survives a loss of power only once the directory is written, too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
