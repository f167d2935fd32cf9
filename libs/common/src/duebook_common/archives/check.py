"""Check archives where they lie: every file of each archive that the log names is read as a whole."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import date
from itertools import pairwise

from duebook_common.archives.chain import (
    ArchiveFault,
    FileState,
    RecordedManifest,
    check_chain,
    check_files,
    check_manifest,
    check_rewriting,
    in_force,
    left_over,
)
from duebook_common.archives.lines import file_state, line_batches
from duebook_common.archives.manifest import Manifest, manifest_name
from duebook_common.archives.targets import Target, read_whole
from duebook_common.domain.day_hash import EventSet
from duebook_common.runtime.pacing import NO_REST, Pace
from duebook_common.store.database import Pool, acquire
from duebook_common.store.day_lines import departed_of, digests_of

_BATCH = 500  # lines


Recorded = Sequence[RecordedManifest]


async def check_archives(
    target: Target,
    recorded: Recorded,
    pool: Pool | None = None,
    again: Callable[[], Awaitable[Recorded]] | None = None,
) -> AsyncIterator[ArchiveFault]:
    """Every fault of the archives that the log names, in order. Raises OSError if the target cannot be reached.

    With `pool` the events of archives from which contents were erased are compared with the hashes of days that were
    noted when the period left. With `again`, which reads from the log what it says now, an archive that was written
    anew meanwhile is checked once more.
    """
    for fault in check_chain(recorded):
        yield fault
    for number in in_force(recorded):
        manifests = _of(recorded, number)
        while faults := [fault async for fault in check_archive(target, manifests, pool)]:
            now = manifests if again is None else _of(await again(), number)
            if not now or now[-1].digest == manifests[-1].digest:
                break
            manifests = now
        for fault in faults:
            yield fault


def _of(recorded: Recorded, number: int) -> list[RecordedManifest]:
    return [each for each in recorded if each.number == number]


async def check_archive(
    target: Target, recorded: Sequence[RecordedManifest], pool: Pool | None = None
) -> AsyncIterator[ArchiveFault]:
    """Every fault of one archive, by all its manifests."""
    manifests: list[Manifest] = []
    for each in recorded:
        manifest = await read_manifest(target, each)
        if isinstance(manifest, ArchiveFault):
            yield manifest
            return
        manifests.append(manifest)
    for fault in _faults_of_manifests(manifests):
        yield fault
    *earlier, last = manifests
    damaged = list(check_files(last, await file_states(target, last)))
    for fault in damaged:
        yield fault
    if earlier:
        for fault in left_over(last, earlier, await target.names(f"{last.period}/")):
            yield fault
    if earlier and pool is not None and not damaged:
        try:
            async for fault in _check_days(pool, target, last):
                yield fault
        except FileNotFoundError:
            yield ArchiveFault(last.period, "a file was deleted while it was read")


async def read_manifest(target: Target, recorded: RecordedManifest) -> Manifest | ArchiveFault:
    """The recorded manifest, or what is wrong with it."""
    content = await read_whole(target, manifest_name(recorded.period, recorded.digest))
    if content is None:
        return ArchiveFault(recorded.period, f"the manifest is missing in {target.address}")
    return check_manifest(recorded, content)


def _faults_of_manifests(manifests: Sequence[Manifest]) -> list[ArchiveFault]:
    return [fault for before, after in pairwise(manifests) for fault in check_rewriting(before, after)]


async def _check_days(pool: Pool, target: Target, manifest: Manifest) -> AsyncIterator[ArchiveFault]:
    """Faults in frames and commitments: neither changes by an erasure, and the lines of days cover both."""
    async with acquire(pool) as db:
        noted = await departed_of(db, manifest.start)
    if noted is None:
        return
    found: dict[date, EventSet] = {}
    async for lines in _events_of(target, manifest):
        async with acquire(pool) as db:
            for day, digest in await digests_of(db, lines):
                found.setdefault(day, EventSet()).add(digest)
    for day in sorted({*noted, *found}):
        if not noted.get(day, EventSet()).same(found.get(day, EventSet())):
            yield ArchiveFault(manifest.period, f"its events of {day} are not those that left the database")


async def _events_of(target: Target, manifest: Manifest) -> AsyncIterator[list[str]]:
    for file in manifest.files:
        if file.table == "events":
            async for lines in line_batches(target.read(file.name), _BATCH):
                yield [line.decode() for line in lines]


async def file_states(target: Target, manifest: Manifest, pace: Pace = NO_REST) -> dict[str, FileState]:
    """Size and hash of each file of the archive that is there. Rests after each file."""
    states: dict[str, FileState] = {}
    for file in manifest.files:
        with suppress(FileNotFoundError):
            async with pace.step():
                states[file.name] = await file_state(target.read(file.name))
    return states
