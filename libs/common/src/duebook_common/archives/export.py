"""Export the partitions of a period: files of rows in the order of the log, each written by a statement of its own.

No transaction lasts longer than a file, so that an export holds back neither vacuum nor readers of the log.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from duebook_common.archives.lines import LineFile
from duebook_common.archives.manifest import ArchiveFile, LogPosition
from duebook_common.archives.targets import Target
from duebook_common.store.database import Pool, acquire

TABLES = ("events", "log_lines")
MOST_ROWS = 50_000  # of one file
MOST_BYTES = 16 * 1024 * 1024  # of one file, as PostgreSQL stores its values: it is kept in memory when compressed
_START = LogPosition(0, 0)

# A row may have 256 KiB, so files end by size as well. What PostgreSQL has compressed is counted as it is stored.
_LAST = """
SELECT xid, position, n FROM (
    SELECT xid, position, row_number() OVER in_order AS n, sum(pg_column_size(part.*)) OVER in_order AS size
    FROM {} AS part WHERE (xid, position) > ($1::xid8, $2) AND xid < $3::xid8
    WINDOW in_order AS (ORDER BY xid, position) ORDER BY xid, position LIMIT $4
) AS next WHERE size <= $5 OR n = 1 ORDER BY n DESC LIMIT 1
"""
_ROWS = """
SELECT row_to_json(part) FROM {} AS part
WHERE (xid, position) > ($1::text::xid8, $2) AND (xid, position) <= ($3::text::xid8, $4) ORDER BY xid, position
"""


@dataclass(slots=True)
class ExportedTable:
    """The files of a table, and the first and last position in them; both None if it has no row."""

    files: list[ArchiveFile] = field(default_factory=list)
    first: LogPosition | None = None
    last: LogPosition | None = None

    @property
    def lines(self) -> int:
        return sum(file.lines for file in self.files)


@dataclass(frozen=True, slots=True)
class Exporter:
    """Writes the rows of a period that transactions before `sealed_at` have appended, for the archive `period`.

    `pace` is how long to rest after each file, as a multiple of the time that it took.
    """

    pool: Pool
    target: Target
    period: str
    born: datetime
    sealed_at: int
    pace: float = 1.0

    async def export(self, table: str) -> ExportedTable:
        """Write the files of `events` or of `log_lines`. To begin again writes the same files again."""
        exported = ExportedTable()
        part = f"{table}_{self.born:%Y%m%d%H%M}"
        async for first, last in self._ranges(part):
            began = time.monotonic()
            stem = f"{self.period}/{table}-{len(exported.files) + 1:05}"
            exported.files.append(await self._write(LineFile(stem, table), part, first, last))
            exported.first, exported.last = exported.first or await self._first(part), last
            await asyncio.sleep((time.monotonic() - began) * self.pace)
        return exported

    async def _ranges(self, part: str) -> AsyncIterator[tuple[LogPosition, LogPosition]]:
        """The position after which each file begins, and the last in it."""
        last = _START
        while True:
            async with acquire(self.pool) as db:
                arguments = (last.xid, last.position, self.sealed_at, MOST_ROWS, MOST_BYTES)
                record = await db.fetchrow(_LAST.format(part), *arguments)
            if record is None:
                return
            end = LogPosition(record["xid"], record["position"])
            yield last, end
            last = end

    async def _first(self, part: str) -> LogPosition:
        async with acquire(self.pool) as db:
            record = await db.fetchrow(f"SELECT xid, position FROM {part} ORDER BY xid, position LIMIT 1")  # noqa: S608
        assert record is not None
        return LogPosition(record["xid"], record["position"])

    async def _write(self, file: LineFile, part: str, first: LogPosition, last: LogPosition) -> ArchiveFile:
        arguments = (str(first.xid), first.position, str(last.xid), last.position)
        async with acquire(self.pool) as db:
            # JSON has neither of these two bytes, so that no line is quoted.
            await db.copy_from_query(
                _ROWS.format(part), *arguments, output=file.write, format="csv", delimiter="\x02", quote="\x01"
            )
        described, content = file.complete()
        await self.target.put(described.name, content)
        return described
