"""Archive a period: what is open moves on, the rest is written to files, recorded, and leaves the database.

Killed anywhere, the period is there or its archive is, and the next call goes on. One process at a time does it.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from duebook_common.archives.chain import ArchiveFault, check_files, in_force, recorded_manifests
from duebook_common.archives.check import file_states, read_manifest
from duebook_common.archives.export import TABLES, Exporter
from duebook_common.archives.manifest import Manifest, digest, encode, manifest_name
from duebook_common.archives.targets import Target, read_whole
from duebook_common.domain.archive import Archive, LogArchived
from duebook_common.domain.periods import period_name
from duebook_common.domain.retention import Span, due, spans
from duebook_common.runtime.pacing import NO_REST, Pace
from duebook_common.store import departure
from duebook_common.store.actor import Actor
from duebook_common.store.archive_handling import (
    archives,
    chain,
    last_archive,
    record_archive,
    subscribers_behind,
)
from duebook_common.store.database import Connection, Pool, acquire, transaction
from duebook_common.store.partitions import Period, periods

log = structlog.stdlib.get_logger("archives")

_UNSEAL_SECONDS = 5.0
_NOW = "SELECT clock_timestamp()"
_HORIZON = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
_BRING_BACK = "mount the folder, or bring the files back from a copy"


class NotArchived(Exception):
    """The period stays as it is: `args` say why, and the next try may succeed."""


@dataclass(frozen=True, slots=True)
class Archiver:
    """Archives to `target`. `pool` must have two connections.

    `pace` rests between the steps. A period takes no event from its seal on, so long rests have a price.
    """

    pool: Pool
    target: Target
    actor: Actor
    pace: Pace = NO_REST
    _not_again: set[str] = field(default_factory=set)  # digests of lost archives whose rows do not make them again

    async def archive_due(self, retention: timedelta | None) -> Archive | None:
        """Archive the oldest period, if it has ended longer ago than the retention; also finish one that was recorded.

        One that was sealed before the retention became longer takes events again. None if there is nothing to do, or
        another process does it. Raises NotArchived, and what database and target raise.
        """
        async with departure.alone(self.pool) as alone:
            if alone is None:
                return None
            async with acquire(self.pool) as db:
                known, now = await periods(db), await db.fetchval(_NOW)
            present = _present(known)
            span = due([*present], retention, now)
            begun = next((span for span, period in present.items() if period.status == "leaving"), None)
            if begun is not None and begun != span:
                if await self._recorded(begun) is not None:
                    span = begun
                else:
                    await departure.unseal(self.pool, begun.start)
            return None if span is None else await self._archive(alone, span, present[span])

    async def overdue(self, retention: timedelta | None) -> float:
        """For how many seconds the oldest period could have left; 0 if none could."""
        async with acquire(self.pool) as db:
            known, now = await periods(db), await db.fetchval(_NOW)
        span = due([*_present(known)], retention, now)
        return 0.0 if span is None or retention is None else (now - retention - span.end).total_seconds()

    async def _archive(self, alone: Connection, span: Span, period: Period) -> Archive:
        archived = await self._recorded(span)
        if archived is not None:
            await self._write_again_if_lost(span, archived)
        else:
            try:
                await self._must_have_earlier_archives()
                await self._seal(span, period)
                archived = await self._write(alone, span)
            except (Exception, asyncio.CancelledError):
                await self._take_back_seal(alone, span)
                raise
        if left := await departure.settle(self.pool, span.start, archived.number, self.pace):
            raise NotArchived(f"{left} rows of the period {archived.period} have no events; run `duebook verify`")
        await self._must_be_readable(archived)
        await departure.until_locked(departure.drop, self.pool, span.start)
        return archived

    async def _must_have_earlier_archives(self) -> None:
        """Raises NotArchived if the target has lost all that was written there: as a folder that is not mounted has."""
        async with acquire(self.pool) as db:
            there = [each for each in await archives(db) if each.address == self.target.address]
        manifests = [manifest_name(each.period, each.digest) for each in there]
        if not manifests or await read_whole(self.target, manifests[-1]) is not None:
            return
        if not {*manifests}.intersection(await self.target.names()):
            raise NotArchived(
                f"{self.target.address} has none of the archives that were written there; mount the folder, bring the "
                "archives back from a copy, or set DUEBOOK_ARCHIVE_URL to another address"
            )

    async def _write_again_if_lost(self, span: Span, archived: Archive) -> None:
        """Write a recorded archive once more if it is not as the log has it: the period is still here, and the same.

        Raises NotArchived if the rows do not make the same files any more; then no later call tries it again.
        """
        if (fault := await self._fault(archived)) is None:
            return
        if archived.erasures == 0 and archived.digest not in self._not_again:
            await self._must_have_earlier_archives()
            manifest = await self._export(span, archived)
            if digest(encode(manifest)) == archived.digest:
                await self._put(manifest)
                return
            self._not_again.add(archived.digest)
        raise NotArchived(f"{_says(fault)}; {_BRING_BACK}")

    async def _must_be_readable(self, archived: Archive) -> None:
        """Raises NotArchived if the archive is not as the log has it: then its period must stay."""
        if (fault := await self._fault(archived)) is not None:
            raise NotArchived(f"{_says(fault)}; {_BRING_BACK}")

    async def _fault(self, archived: Archive) -> ArchiveFault | None:
        """What is wrong with the manifest in force or its files; all of these are read."""
        async with acquire(self.pool) as db:
            recorded = in_force(recorded_manifests(await chain(db)))[archived.number]
        manifest = await read_manifest(self.target, recorded)
        if isinstance(manifest, ArchiveFault):
            return manifest
        return next(check_files(manifest, await file_states(self.target, manifest, self.pace)), None)

    async def _put(self, manifest: Manifest) -> None:
        """Write the manifest, and read it again. Raises NotArchived."""
        content = encode(manifest)
        name = manifest_name(manifest.period, digest(content))
        await self.target.put(name, content)
        if await read_whole(self.target, name) != content:
            raise NotArchived(_says(ArchiveFault(manifest.period, f"{name} was changed")))

    async def _recorded(self, span: Span) -> Archive | None:
        """The archive of the period, if the log has recorded it: only the rest is to be done."""
        async with acquire(self.pool) as db:
            return next((archive for archive in await archives(db) if archive.start == span.start), None)

    async def _seal(self, span: Span, period: Period) -> None:
        if period.status == "closed":
            await departure.move_open(self.pool, span.start, self.pace)
            await departure.until_locked(departure.seal, self.pool, span.start)
        await departure.move_open(self.pool, span.start, self.pace)

    async def _take_back_seal(self, alone: Connection, span: Span) -> None:
        """Let the period take events again. What prevents that is logged, because its cause is to be raised."""
        try:
            async with asyncio.timeout(_UNSEAL_SECONDS):
                await alone.fetchval(_NOW)  # without the lock another process may write the archive now
                await departure.unseal(self.pool, span.start)
        except Exception as error:
            log.warning("the period stays sealed until the next try", period=span.start, error=error)

    async def _write(self, alone: Connection, span: Span) -> Archive:
        async with acquire(self.pool) as db:
            seal = await departure.lock_seal(db, span.start)
        manifest = await self._export(span)
        async with acquire(self.pool) as db:
            await _may_leave(db, span, manifest)
        await alone.fetchval(_NOW)  # raises if the lock is lost
        await self._put(manifest)
        async with transaction(self.pool) as db:
            if seal is None or await departure.lock_seal(db, span.start) != seal:
                raise NotArchived(f"another process has worked on the period {manifest.period}")
            await _may_leave(db, span, manifest)
            archived = _archived(manifest, self.target.address)
            return await record_archive(db, archived, manifest.link, self.actor)

    async def _export(self, span: Span, recorded: Archive | None = None) -> Manifest:
        """Write the files, and read them again: the rows are deleted after this. Raises NotArchived.

        The manifest is that of a new archive, or of one that was `recorded`.
        """
        async with acquire(self.pool) as db:
            last, sealed_at = await last_archive(db), await db.fetchval(_HORIZON)
        name = period_name(span.start, span.end)
        exporter = Exporter(self.pool, self.target, name, span.start, sealed_at, self.pace)
        tables = {table: await exporter.export(table) for table in TABLES}
        events = tables["events"]
        async with acquire(self.pool) as db:
            now = await db.fetchval(_NOW)
        manifest = Manifest(
            number=recorded.number if recorded else last.number + 1,
            link=recorded.link if recorded else last.link + 1,
            period=name,
            start=span.start,
            end=span.end,
            previous=recorded.previous if recorded else last.digest,
            events=events.lines,
            first=events.first,
            last=events.last,
            files=[file for table in tables.values() for file in table.files],
            written_at=recorded.archived_at if recorded else now,
        )
        faults = list(check_files(manifest, await file_states(self.target, manifest, self.pace)))
        if faults:
            raise NotArchived(_says(faults[0]))
        return manifest


def _present(known: list[Period]) -> dict[Span, Period]:
    """The periods that have ended and not left, by their spans."""
    by_start = {period.born: period for period in known}
    return {s: by_start[s.start] for s in spans([*by_start]) if by_start[s.start].status in {"closed", "leaving"}}


def _says(fault: ArchiveFault) -> str:
    return f"the archive {fault.period} is not what was written: {fault.says}"


async def _may_leave(db: Connection, span: Span, manifest: Manifest) -> None:
    """Raises NotArchived if a subscriber of the log has yet to read what would leave, or mails are owed."""
    last = manifest.last
    if last is not None and (behind := await subscribers_behind(db, last.xid, last.position)):
        raise NotArchived(f"{', '.join(behind)} has yet to read events of the period")
    if await departure.owes_mails(db, span.start):
        raise NotArchived("mails about runs of the period have yet to be written")


def _archived(manifest: Manifest, address: str) -> LogArchived:
    last = manifest.last
    return LogArchived(
        number=manifest.number,
        period=manifest.period,
        start=manifest.start,
        end=manifest.end,
        digest=digest(encode(manifest)),
        previous=manifest.previous,
        address=address,
        events=manifest.events,
        bytes=manifest.bytes,
        last_xid=None if last is None else last.xid,
        last_position=None if last is None else last.position,
        at=manifest.written_at,
    )
