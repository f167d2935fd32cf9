"""Write archives anew without what was erased from them.

In this order: the new files, their manifest, the event that makes it the one in force, and only then the old files are
deleted. Killed anywhere, either set of files is complete and the next call goes on. What is read is checked by the
manifest in force, so that nothing that was changed gets into a new one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import orjson

from duebook_common.archives.archiver import NotArchived
from duebook_common.archives.chain import (
    ArchiveFault,
    FileState,
    check_files,
    in_force,
    recorded_manifests,
    to_sweep,
    unknown_manifests,
    was_tried,
)
from duebook_common.archives.check import file_states, read_manifest
from duebook_common.archives.lines import LineFile, file_state, line_batches
from duebook_common.archives.manifest import (
    ArchiveFile,
    Manifest,
    ManifestInvalid,
    decode,
    digest,
    encode,
    manifest_name,
)
from duebook_common.archives.targets import Target, read_whole
from duebook_common.domain.archive import Archive, ArchiveRewritten
from duebook_common.runtime.pacing import NO_REST, Pace
from duebook_common.store import departure
from duebook_common.store.actor import Actor
from duebook_common.store.archive_handling import (
    archives,
    chain,
    erased_from,
    erasure_overdue,
    last_archive,
    note_swept,
    pending_archives,
    record_archive,
)
from duebook_common.store.contents import erase_lines
from duebook_common.store.database import Connection, Pool, acquire, transaction
from duebook_common.store.day_lines import digests_of

_BATCH = 500  # lines
_NOW = "SELECT clock_timestamp()"


class RewriterResult(NamedTuple):
    """Whether an archive was `rewritten` without what was erased, and how many old files of it were `deleted`."""

    archive: Archive
    rewritten: bool
    deleted: int


@dataclass(frozen=True, slots=True)
class Rewriter:
    """Works on `target`. `pool` must have two connections.

    `pace` rests after each file.
    """

    pool: Pool
    target: Target
    actor: Actor
    pace: Pace = NO_REST

    async def rewrite_due(self, done: Callable[[RewriterResult], None]) -> None:
        """Let each erasure reach its archives, and delete old files; `done` gets each archive that changed.

        Does nothing where another process archives. Raises NotArchived after all others where an archive is damaged,
        and what database and target raise.
        """
        async with acquire(self.pool) as db:
            pending, faults = await pending_archives(db), list[str]()
        for each in pending:
            async with departure.alone(self.pool) as alone:
                if alone is None:
                    return
                try:
                    result = await self._rewrite(alone, each.number)
                except NotArchived as error:
                    faults.append(str(error))
                else:
                    if result.rewritten or result.deleted:
                        done(result)
        if faults:
            raise NotArchived("; ".join(faults))

    async def overdue(self) -> float:
        """For how many seconds the oldest erasure has not reached its archive; 0 if all have."""
        async with acquire(self.pool) as db:
            return await erasure_overdue(db)

    async def _rewrite(self, alone: Connection, number: int) -> RewriterResult:
        async with acquire(self.pool) as db:
            archive = next(each for each in await archives(db) if each.number == number)
            erased, version = await erased_from(db, number, archive.erasures)
        names, rewritten = await self.target.names(f"{archive.period}/"), version > archive.erasures
        if rewritten:
            before = await self._manifest(archive)
            files = [await self._without(archive.period, file, erased) for file in before.files]
            archive = await self._replace(alone, archive, before, replace(before, files=files, erasures=version))
        deleted = await self._sweep(alone, archive, names)
        await note_swept(self.pool, archive)
        return RewriterResult(archive, rewritten, deleted)

    async def _manifest(self, archive: Archive) -> Manifest:
        """The manifest in force. Raises NotArchived if it is not what the log says."""
        async with acquire(self.pool) as db:
            recorded = in_force(recorded_manifests(await chain(db)))[archive.number]
        manifest = await read_manifest(self.target, recorded)
        if isinstance(manifest, ArchiveFault):
            raise NotArchived(_damaged(archive.period, manifest.says))
        return manifest

    async def _without(self, period: str, file: ArchiveFile, erased: frozenset[UUID]) -> ArchiveFile:
        """The file without these contents; itself, if it has none of them. Raises NotArchived if it is damaged."""
        ids = {str(id_) for id_ in erased}
        try:
            async with self.pace.step():
                await self._check(period, file)
                return await self._written_without(period, file, ids)
        except FileNotFoundError:
            raise NotArchived(_damaged(period, f"{file.name} is missing")) from None
        except (ValueError, KeyError, TypeError) as error:
            raise NotArchived(_damaged(period, f"{file.name}: {error}")) from error

    async def _check(self, period: str, file: ArchiveFile) -> None:
        """Raises NotArchived if the file is not what the manifest says: what it holds may be anything then."""
        if await file_state(self.target.read(file.name)) != FileState(file.bytes, file.sha256):
            raise NotArchived(_damaged(period, f"{file.name} was changed"))

    async def _written_without(self, period: str, file: ArchiveFile, ids: set[str]) -> ArchiveFile:
        concerned = False
        async for lines in self._lines(period, file):
            concerned = concerned or any(_concerns(line, ids) for line in lines)
        if not concerned:
            return file
        written = LineFile(file.stem, file.table)
        async for lines in self._lines(period, file):
            kept = await self._erased(period, file, lines, ids)
            await written.write(b"".join(line + b"\n" for line in kept))
        described, content = written.complete()
        await self.target.put(described.name, content)
        return described

    async def _lines(self, period: str, file: ArchiveFile) -> AsyncIterator[Sequence[bytes]]:
        """The lines of a file, some at a time. Raises NotArchived, at its end, if it is not what the manifest says."""
        hashed = sha256()

        async def parts() -> AsyncIterator[bytes]:
            async for part in self.target.read(file.name):
                hashed.update(part)
                yield part

        async for lines in line_batches(parts(), _BATCH):
            yield lines
            await asyncio.sleep(0)
        if hashed.hexdigest() != file.sha256:
            raise NotArchived(_damaged(period, f"{file.name} was changed"))

    async def _erased(self, period: str, file: ArchiveFile, lines: Sequence[bytes], ids: set[str]) -> Sequence[bytes]:
        """These lines after the erasure: an event keeps its frame and its commitment, a line of a task goes."""
        concerned = [n for n, line in enumerate(lines) if _concerns(line, ids)]
        if file.table != "events":
            return [line for n, line in enumerate(lines) if n not in set(concerned)]
        before, changed = [lines[n].decode() for n in concerned], list(lines)
        async with acquire(self.pool) as db:
            after = await erase_lines(db, before)
            if await digests_of(db, before) != await digests_of(db, after):
                raise NotArchived(_damaged(period, f"an erasure would change the frames of {file.name}"))
        for n, line in zip(concerned, after, strict=True):
            changed[n] = line.encode()
        return changed

    async def _replace(self, alone: Connection, archive: Archive, before: Manifest, rewritten: Manifest) -> Archive:
        """Write the new manifest, and make it the one in force once it and its new files were read again."""
        async with acquire(self.pool) as db:
            last, now = await last_archive(db), await db.fetchval(_NOW)
        assert last.digest is not None
        manifest = replace(rewritten, link=last.link + 1, previous=last.digest, replaces=archive.digest, written_at=now)
        content = encode(manifest)
        name = manifest_name(archive.period, digest(content))
        await self.target.put(name, content)
        new = replace(manifest, files=[file for file in manifest.files if file not in before.files])
        faults = list(check_files(new, await file_states(self.target, new, self.pace)))
        if faults or await read_whole(self.target, name) != content:
            raise NotArchived(_damaged(archive.period, faults[0].says if faults else f"{name} is not what was written"))
        await alone.fetchval(_NOW)  # raises if the lock is lost
        event = ArchiveRewritten(
            number=archive.number,
            digest=digest(content),
            replaces=archive.digest,
            previous=last.digest,
            erasures=manifest.erasures,
            bytes=manifest.bytes,
            at=now,
        )
        async with transaction(self.pool) as db:
            return await record_archive(db, event, manifest.link, self.actor)

    async def _sweep(self, alone: Connection, archive: Archive, before: Sequence[str]) -> int:
        """Delete those of the names of `before` that neither the manifest in force nor one of another history has.

        The names are those of before the rewriting: what came later may be another process's. Returns how many went.
        Raises NotArchived, and deletes nothing, where a file of the manifest in force is missing.
        """
        async with acquire(self.pool) as db:
            events = await chain(db)
        links = [event.digest for event in events]
        known = [manifest_name(e.period, e.digest) for e in recorded_manifests(events) if e.number == archive.number]
        keep, names = [await self._manifest(archive)], await self.target.names(f"{archive.period}/")
        if missing := {file.name for file in keep[0].files} - {*names}:
            raise NotArchived(_damaged(archive.period, f"{min(missing)} is missing"))
        for name in unknown_manifests(names, known):
            unknown = _decoded(await read_whole(self.target, name))
            if unknown is not None and not was_tried(unknown, links):
                keep.append(unknown)
                known.append(name)
        old = to_sweep({*names}.intersection(before), known, keep)
        for name in old:
            await alone.fetchval(_NOW)  # raises if the lock is lost
            await self.target.delete(name)
        await alone.fetchval(_NOW)
        await self.target.delete_unfinished(f"{archive.period}/")
        return len(old)


def _decoded(content: bytes | None) -> Manifest | None:
    try:
        return None if content is None else decode(content)
    except ManifestInvalid:
        return None


def _concerns(line: bytes, ids: set[str]) -> bool:
    """Whether the row is of one of these runs, or of a job with all that is about it."""
    row = orjson.loads(line)
    return row["job_id"] in ids or row.get("run_id") in ids or row.get("stream", "")[-36:] in ids


def _damaged(period: str, says: str) -> str:
    return f"the archive {period} is damaged, so that an erasure cannot reach it: {says}"
