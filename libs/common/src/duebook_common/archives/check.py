"""Check archives where they lie: every file of each archive that the log names is read as a whole."""

from collections.abc import AsyncIterator, Sequence

from duebook_common.archives.chain import (
    ArchiveFault,
    FileState,
    RecordedArchive,
    check_chain,
    check_files,
    check_manifest,
)
from duebook_common.archives.lines import file_state
from duebook_common.archives.manifest import Manifest, manifest_name
from duebook_common.archives.targets import Target, read_whole


async def check_archives(target: Target, recorded: Sequence[RecordedArchive]) -> AsyncIterator[ArchiveFault]:
    """Every fault of the archives that the log names, in order. Raises OSError if the target cannot be reached."""
    for fault in check_chain(recorded):
        yield fault
    for archive in recorded:
        async for fault in check_archive(target, archive):
            yield fault


async def check_archive(target: Target, archive: RecordedArchive) -> AsyncIterator[ArchiveFault]:
    """Every fault of one archive."""
    manifest = check_manifest(archive, await read_whole(target, manifest_name(archive.period)))
    if isinstance(manifest, ArchiveFault):
        yield manifest
        return
    for fault in check_files(manifest, await file_states(target, manifest)):
        yield fault


async def file_states(target: Target, manifest: Manifest) -> dict[str, FileState]:
    """Size and hash of each file of the archive that is there."""
    states: dict[str, FileState] = {}
    for file in manifest.files:
        try:
            states[file.name] = await file_state(target.read(file.name))
        except FileNotFoundError:
            continue
    return states
