"""Whether archives are what was written: each manifest against the log, against its files and against its predecessor.

Pure: the content of the files is hashed elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from duebook_common.archives.manifest import Manifest, ManifestInvalid, decode, digest, is_manifest
from duebook_common.domain.archive import ArchiveRewritten, LogArchived


@dataclass(frozen=True, slots=True)
class RecordedManifest:
    """What the log says of a manifest of an archive: its SHA-256, and that of the one before in the chain.

    `replaces` is the SHA-256 of the manifest that held until then for the same archive, None for its first. `erasures`
    is the version of the last erasure that its files obey.
    """

    number: int
    period: str
    digest: str
    previous: str | None
    replaces: str | None = None
    erasures: int = 0


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


def recorded_manifests(chain: Iterable[LogArchived | ArchiveRewritten]) -> list[RecordedManifest]:
    """What the events of the chain say of each manifest, in their order."""
    found: list[RecordedManifest] = []
    periods: dict[int, str] = {}
    for event in chain:
        if isinstance(event, LogArchived):
            periods[event.number] = event.period
        replaces, erasures = (event.replaces, event.erasures) if isinstance(event, ArchiveRewritten) else (None, 0)
        period = periods.get(event.number, f"number {event.number}")
        found.append(RecordedManifest(event.number, period, event.digest, event.previous, replaces, erasures))
    return found


def in_force(recorded: Iterable[RecordedManifest]) -> dict[int, RecordedManifest]:
    """The last manifest of each archive, by the number of the archive."""
    return {manifest.number: manifest for manifest in recorded}


def check_chain(recorded: Sequence[RecordedManifest]) -> Iterator[ArchiveFault]:
    """Faults in the chain that the log itself has: each manifest follows from the one before, no archive is left out.

    A manifest that replaces one replaces the one that was in force.
    """
    previous: str | None = None
    held: dict[int, str] = {}
    for manifest in recorded:
        if manifest.replaces is None and manifest.number != len(held) + 1:
            yield ArchiveFault(manifest.period, f"the archive has number {manifest.number}, expected {len(held) + 1}")
        if manifest.replaces != held.get(manifest.number):
            yield ArchiveFault(manifest.period, "a manifest replaces another one than that which was in force")
        if manifest.previous != previous:
            yield ArchiveFault(manifest.period, "the log names another manifest before it than it had")
        previous = held[manifest.number] = manifest.digest


def check_manifest(recorded: RecordedManifest, content: bytes) -> Manifest | ArchiveFault:
    """The recorded manifest, or what is wrong with its content."""
    if digest(content) != recorded.digest:
        return ArchiveFault(recorded.period, "the manifest was changed: its hash is not the one that the log has")
    try:
        manifest = decode(content)
    except ManifestInvalid as error:
        return ArchiveFault(recorded.period, str(error))
    if (manifest.previous, manifest.replaces) != (recorded.previous, recorded.replaces):
        return ArchiveFault(recorded.period, "the manifest names another manifest before it than the log does")
    if manifest.erasures != recorded.erasures:
        return ArchiveFault(recorded.period, "the manifest obeys other erasures than the log says")
    return manifest


def check_files(manifest: Manifest, found: Mapping[str, FileState]) -> Iterator[ArchiveFault]:
    """Faults in the files that the manifest names. A file that is not in `found` is missing."""
    for file in manifest.files:
        state = found.get(file.name)
        if state is None:
            yield ArchiveFault(manifest.period, f"{file.name} is missing")
        elif state != FileState(file.bytes, file.sha256):
            yield ArchiveFault(manifest.period, f"{file.name} was changed: its hash is not that of the manifest")


def check_rewriting(before: Manifest, after: Manifest) -> Iterator[ArchiveFault]:
    """Faults in what a manifest says against the one that it replaces: an erasure leaves each event in its place."""
    same = replace(
        before,
        link=after.link,
        previous=after.previous,
        replaces=after.replaces,
        erasures=after.erasures,
        written_at=after.written_at,
        files=after.files,
    )
    if same != after or after.erasures <= before.erasures:
        yield ArchiveFault(after.period, "the manifest of an erasure says something else of the period than before")
    if [(file.stem, file.table) for file in before.files] != [(file.stem, file.table) for file in after.files]:
        yield ArchiveFault(after.period, "an erasure has added or removed a file")
        return
    for old, new in zip(before.files, after.files, strict=True):
        if old.name == new.name and old != new:
            yield ArchiveFault(after.period, f"{new.name} has another hash than before an erasure")
        if new.lines > old.lines or (new.table == "events" and new.lines != old.lines):
            yield ArchiveFault(after.period, f"an erasure has changed the number of rows of {new.name}")


def left_over(kept: Manifest, earlier: Iterable[Manifest], names: Iterable[str]) -> Iterator[ArchiveFault]:
    """The files of earlier manifests that are still there, with contents that were erased since."""
    current = {file.name for file in kept.files}
    old = {file.name for manifest in earlier for file in manifest.files} - current
    for name in sorted(old.intersection(names)):
        says = f"{name} still has contents that were erased; `duebook archive run` deletes it"
        yield ArchiveFault(kept.period, says)


def to_sweep(names: Iterable[str], chain: Iterable[str], keep: Iterable[Manifest]) -> list[str]:
    """Of the names of a period's files those that neither the chain has nor a manifest that is to be kept.

    `chain` are the names of the manifests of the chain.
    """
    named = {*chain, *(file.name for manifest in keep for file in manifest.files)}
    return sorted(set(names) - named)


def was_tried(manifest: Manifest, links: Sequence[str]) -> bool:
    """Whether a manifest that the chain does not have is a try to add to it that was not recorded.

    `links` are the digests of the chain. Otherwise the manifest is of another history: of after the moment to which the
    database was restored.
    """
    before = [None, *links]
    return manifest.link <= len(links) and before[manifest.link - 1] == manifest.previous


def unknown_manifests(names: Iterable[str], chain: Iterable[str]) -> list[str]:
    """Of the names of a period's files those of manifests that the chain does not have."""
    return sorted(set(filter(is_manifest, names)) - {*chain})
