"""Read an archive back into the database: as tables in a schema of its own, beside the log, which stays as it is."""

from collections.abc import AsyncIterator

from duebook_common.archives.errors import ArchiveChanged
from duebook_common.archives.export import TABLES
from duebook_common.archives.lines import line_batches
from duebook_common.archives.manifest import ArchiveFile, Manifest
from duebook_common.archives.targets import Target
from duebook_common.store.database import Pool, transaction

_BATCH = 1_000  # lines

_INSERT = """
INSERT INTO {schema}.{table}
SELECT found.* FROM unnest($1::text[]) AS line, json_populate_record(NULL::{table}, line::json) AS found
"""


def schema_of(period: str) -> str:
    """The schema that has the tables of a restored period: `archive_2026_10`."""
    return "archive_" + "".join(char if char.isalnum() else "_" for char in period.lower())


async def restore(pool: Pool, target: Target, manifest: Manifest) -> int:
    """Load an archive that was checked, in place of what an earlier restore has loaded; returns its number of rows.

    All in one transaction, so that a restored archive is there as a whole or not at all. Raises ArchiveChanged if a
    file cannot be read as it was checked.
    """
    schema, rows = schema_of(manifest.period), 0
    async with transaction(pool) as db:
        await db.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        await db.execute(f"CREATE SCHEMA {schema}")
        for table in TABLES:
            await db.execute(f"CREATE TABLE {schema}.{table} (LIKE {table})")
        for file in manifest.files:
            insert = _INSERT.format(schema=schema, table=file.table)
            async for lines in _batches(target, file):
                await db.execute(insert, lines)
                rows += len(lines)
        await db.execute(f"CREATE INDEX ON {schema}.events (stream, version)")
    return rows


async def _batches(target: Target, file: ArchiveFile) -> AsyncIterator[list[str]]:
    try:
        async for lines in line_batches(target.read(file.name), _BATCH):
            yield [line.decode() for line in lines]
    except (FileNotFoundError, ValueError) as error:
        raise ArchiveChanged(str(error)) from error
