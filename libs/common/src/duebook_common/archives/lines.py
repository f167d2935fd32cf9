"""Rows as lines of JSON, compressed. What is compressed is kept in memory until its file is complete."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import zstandard

from duebook_common.archives.chain import FileState
from duebook_common.archives.manifest import ArchiveFile, file_name

_LEVEL = 3
_MOST_BYTES_OF_LINE = 64 * 1024 * 1024
_MOST_BYTES_OF_BATCH = 8 * 1024 * 1024
# A kilobyte may be 32 MiB of lines, as four bytes may stand for 128 KiB; the decompressor itself knows no bound.
_STEP = 1024


@dataclass(slots=True)
class LineFile:
    """A file under way: lines come as parts of any length. The name is `stem` and the hash."""

    stem: str
    table: str
    lines: int = 0
    _parts: list[bytes] = field(default_factory=list)
    _compressor: Any = field(
        default_factory=lambda: zstandard.ZstdCompressor(_LEVEL, write_checksum=True).compressobj()
    )

    async def write(self, part: bytes) -> None:
        self.lines += part.count(b"\n")
        self._parts.append(self._compressor.compress(part))

    def complete(self) -> tuple[ArchiveFile, bytes]:
        """What the manifest says of the file, and its content."""
        content = b"".join([*self._parts, self._compressor.flush()])
        hashed = sha256(content).hexdigest()
        return ArchiveFile(file_name(self.stem, hashed), self.table, self.lines, len(content), hashed), content


async def file_state(parts: AsyncIterator[bytes]) -> FileState:
    """Size and hash of a file that is read in parts."""
    hashed, size = sha256(), 0
    async for part in parts:
        hashed.update(part)
        size += len(part)
    return FileState(size, hashed.hexdigest())


async def read_lines(parts: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """The lines of a compressed file, some at a time. Raises ValueError if it is damaged or not complete."""
    decompress, rest, size = zstandard.ZstdDecompressor().decompressobj(), list[bytes](), 0
    async for part in parts:
        for start in range(0, len(part), _STEP):
            try:
                content = decompress.decompress(part[start : start + _STEP])
            except zstandard.ZstdError as error:
                raise ValueError(f"not a file of an archive: {error}") from error
            rest.append(content)
            size += len(content)
            if b"\n" in content:
                *lines, last = b"".join(rest).split(b"\n")
                rest, size = [last], len(last)
                yield lines
            if size > _MOST_BYTES_OF_LINE:
                raise ValueError(f"a line is longer than {_MOST_BYTES_OF_LINE:,} bytes")
    if size or not decompress.eof:
        raise ValueError("the file ends too early")


async def line_batches(parts: AsyncIterator[bytes], most: int) -> AsyncIterator[list[bytes]]:
    """The lines of a compressed file, `most` at a time, or fewer where these are large. Raises ValueError as above."""
    batch, size = list[bytes](), 0
    async for lines in read_lines(parts):
        for line in lines:
            batch.append(line)
            size += len(line)
            if len(batch) == most or size > _MOST_BYTES_OF_BATCH:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch
