"""The manifest of an archive: what its files hold, and the hash of the manifest before: archives form a chain."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import orjson
from pydantic import TypeAdapter, ValidationError

FORMAT = 1
MANIFEST = "manifest.json"


class ManifestInvalid(ValueError):
    """The file is no manifest of a format that this program knows."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of an archive: rows of one table, one JSON object a line, compressed with zstandard.

    `bytes` and `sha256` are those of the compressed file; `lines` is its number of rows.
    """

    name: str
    table: str
    lines: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where an event stands in the order of the log."""

    xid: int
    position: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds: the rows whose streams were opened from `start` until before `end` (UTC).

    `number` counts archives from 1, and `previous` is the hash of the manifest before, None for the first. `events`
    counts events; `first` and `last` are the positions of the first and the last, None where there is none.
    """

    number: int
    period: str
    start: datetime
    end: datetime
    previous: str | None
    events: int
    first: LogPosition | None
    last: LogPosition | None
    files: Sequence[ArchiveFile]
    written_at: datetime
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)


def manifest_name(period: str) -> str:
    """The name of the period's manifest, below the address of all archives."""
    return f"{period}/{MANIFEST}"


def encode(manifest: Manifest) -> bytes:
    """The content of the manifest's file. The same manifest always has the same bytes."""
    value = _MANIFEST.dump_python(manifest, mode="json")
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def decode(content: bytes) -> Manifest:
    """The manifest that a file holds. Raises ManifestInvalid."""
    try:
        manifest = _MANIFEST.validate_json(content)
    except ValidationError as error:
        raise ManifestInvalid(f"not a manifest: {error.errors()[0]['msg']}") from None
    if manifest.format != FORMAT:
        raise ManifestInvalid(f"the manifest has format {manifest.format}, and this program knows {FORMAT}")
    return manifest


def digest(content: bytes) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return sha256(content).hexdigest()
