"""The manifest of an archive: what its files hold, and the hash of the manifest before: manifests form a chain.

Every file is named by its content, so that no writer can replace what another one has written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import orjson
from pydantic import TypeAdapter, ValidationError

FORMAT = 1
_DIGITS = 12  # of a digest, in the name of its file


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

    @property
    def stem(self) -> str:
        """The name without the hash: it stays as the content changes."""
        return self.name.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where an event stands in the order of the log."""

    xid: int
    position: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds: the rows whose streams were opened from `start` until before `end` (UTC).

    `number` counts archives from 1. `link` counts manifests from 1, and `previous` is the hash of the one before, None
    for the first. `events` counts events; `first` and `last` are the positions of the first and the last, None where
    there is none. A manifest of files from which contents were erased `replaces` the one with that hash, and obeys the
    archive's erasures up to the version `erasures`.
    """

    number: int
    link: int
    period: str
    start: datetime
    end: datetime
    previous: str | None
    events: int
    first: LogPosition | None
    last: LogPosition | None
    files: Sequence[ArchiveFile]
    written_at: datetime
    replaces: str | None = None
    erasures: int = 0
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)


def manifest_name(period: str, sha256: str) -> str:
    """The name of the period's manifest with this hash, below the address of all archives."""
    return f"{period}/manifest-{sha256[:_DIGITS]}.json"


def is_manifest(name: str) -> bool:
    """Whether a file has the name of a manifest."""
    return name.rpartition("/")[2].startswith("manifest-")


def file_name(stem: str, sha256: str) -> str:
    """The name of a file of rows: like `2026-10/events-00001-5b1e0f6a2c9d.ndjson.zst`."""
    return f"{stem}-{sha256[:_DIGITS]}.ndjson.zst"


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
