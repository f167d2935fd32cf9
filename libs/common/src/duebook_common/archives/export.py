"""Export the partitions of a period: files of rows in the order of the log.

Some rows are read by each statement, and a rest follows: so an export takes no core for long, and holds back neither
vacuum nor readers of the log.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from duebook_common.archives.lines import LineFile
from duebook_common.archives.manifest import ArchiveFile, LogPosition
from duebook_common.archives.targets import Target
from duebook_common.runtime.pacing import NO_REST, Pace
from duebook_common.store.database import Connection, Pool, acquire

TABLES = ("events", "log_lines")
MOST_ROWS = 50_000  # of one file
MOST_BYTES = 16 * 1024 * 1024  # of one file, as PostgreSQL stores its values: it is kept in memory when compressed
_ROWS_OF_STEP, _BYTES_OF_STEP = 500, 256 * 1024
_START = LogPosition(0, 0)

# A row may have 256 KiB, so steps and files end by size too. What PostgreSQL has compressed is counted as it is stored.
_LAST = """
SELECT xid, position, size FROM (
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
    """The files of a table, and the first and last position in them; both None if it has no row.

    `complete` once a read has found no further row.
    """

    files: list[ArchiveFile] = field(default_factory=list)
    first: LogPosition | None = None
    last: LogPosition | None = None
    complete: bool = False

    @property
    def lines(self) -> int:
        return sum(file.lines for file in self.files)


@dataclass(frozen=True, slots=True)
class Exporter:
    """Writes the rows of a period that transactions before `sealed_at` have appended, for the archive `period`."""

    pool: Pool
    target: Target
    period: str
    born: datetime
    sealed_at: int
    pace: Pace = NO_REST

    async def export(self, table: str) -> ExportedTable:
        """Write the files of `events` or of `log_lines`. To begin again writes the same files again."""
        exported = ExportedTable()
        while not exported.complete:
            await self._write_next(exported, table)
        return exported

    async def _write_next(self, exported: ExportedTable, table: str) -> None:
        """Write the rows behind those that are exported, up to the size of a file, if there are any."""
        file, size = LineFile(f"{self.period}/{table}-{len(exported.files) + 1:05}", table), 0
        while file.lines < MOST_ROWS and size < MOST_BYTES:
            async with self.pace.step(), acquire(self.pool) as db:
                read = await self._read(db, exported, file, MOST_ROWS - file.lines, MOST_BYTES - size)
            if not read:
                exported.complete = True
                break
            size += read
        if file.lines:
            described, content = file.complete()
            await self.target.put(described.name, content)
            exported.files.append(described)

    async def _read(self, db: Connection, exported: ExportedTable, file: LineFile, rows: int, size: int) -> int:
        """Add the next rows to the file, at most so many and of this size; returns their size, 0 if there are none."""
        part, after = f"{file.table}_{self.born:%Y%m%d%H%M}", exported.last or _START
        bounds = min(rows, _ROWS_OF_STEP), min(size, _BYTES_OF_STEP)
        record: Any = await db.fetchrow(_LAST.format(part), after.xid, after.position, self.sealed_at, *bounds)
        if record is None:
            return 0
        last = LogPosition(record["xid"], record["position"])
        arguments = str(after.xid), after.position, str(last.xid), last.position
        # JSON has neither of these two bytes, so that no line is quoted.
        await db.copy_from_query(
            _ROWS.format(part), *arguments, output=file.write, format="csv", delimiter="\x02", quote="\x01"
        )
        exported.first, exported.last = exported.first or await _first(db, part), last
        return int(record["size"])


async def _first(db: Connection, part: str) -> LogPosition:
    record: Any = await db.fetchrow(f"SELECT xid, position FROM {part} ORDER BY xid, position LIMIT 1")  # noqa: S608
    return LogPosition(record["xid"], record["position"])
