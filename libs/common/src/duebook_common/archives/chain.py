"""Whether archives are what was written: each manifest against the log, against its files and against its predecessor.

Pure: the content of the files is hashed elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from duebook_common.archives.manifest import Manifest, ManifestInvalid, decode, digest


@dataclass(frozen=True, slots=True)
class RecordedArchive:
    """What the log says of an archive. `digest` is the SHA-256 of its manifest, `previous` that of the one before."""

    number: int
    period: str
    digest: str
    previous: str | None


@dataclass(frozen=True, slots=True)
class FileState:
    """What was found of a file: its size in bytes, and its SHA-256."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchiveFault:
    """Something in the archive of `period` is not as it was written. `says` names the file, and what is wrong."""

    period: str
    says: str


def check_chain(recorded: Sequence[RecordedArchive]) -> Iterator[ArchiveFault]:
    """Faults in the chain that the log itself has: numbers without a gap, each with the hash of the one before."""
    previous: str | None = None
    for number, archive in enumerate(recorded, 1):
        if archive.number != number:
            yield ArchiveFault(archive.period, f"the archive has number {archive.number}, expected {number}")
        if archive.previous != previous:
            yield ArchiveFault(archive.period, "the log names another archive before it than it had")
        previous = archive.digest


def check_manifest(archive: RecordedArchive, content: bytes | None) -> Manifest | ArchiveFault:
    """The manifest of a recorded archive, or what is wrong with it. `content` is None if its file is missing."""
    if content is None:
        return ArchiveFault(archive.period, "the manifest is missing")
    if digest(content) != archive.digest:
        return ArchiveFault(archive.period, "the manifest was changed: its hash is not the one that the log has")
    try:
        manifest = decode(content)
    except ManifestInvalid as error:
        return ArchiveFault(archive.period, str(error))
    if manifest.previous != archive.previous:
        return ArchiveFault(archive.period, "the manifest names another archive before it than the log does")
    return manifest


def check_files(manifest: Manifest, found: Mapping[str, FileState]) -> Iterator[ArchiveFault]:
    """Faults in the files that the manifest names. A file that is not in `found` is missing."""
    for file in manifest.files:
        state = found.get(file.name)
        if state is None:
            yield ArchiveFault(manifest.period, f"{file.name} is missing")
        elif state != FileState(file.bytes, file.sha256):
            yield ArchiveFault(manifest.period, f"{file.name} was changed: its hash is not that of the manifest")
