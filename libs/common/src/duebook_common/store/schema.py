"""Whether the schema of the database is one that this program works with."""

import asyncpg

from duebook_common.store.database import Pool, acquire

SCHEMAS = ("0001_baseline",)
"""All schemas that this program knows, the oldest first; it is written for the last one."""

_VERSION = """
SELECT version_num, EXISTS (SELECT FROM schema_programs WHERE schema = version_num AND program = $1) AS compatible
FROM alembic_version
"""


class WrongSchema(Exception):
    """The program and the database do not fit together; the message names the remedy."""


async def check_schema(pool: Pool) -> None:
    """Raises WrongSchema, or the errors of a database that does not answer."""
    try:
        async with acquire(pool) as db:
            row = await db.fetchrow(_VERSION, SCHEMAS[-1])
    except asyncpg.UndefinedTableError:
        row = None
    if row is None:
        raise WrongSchema("the database has no schema of Duebook; run `duebook migrate`")
    if text := mismatch(row["version_num"], compatible=row["compatible"]):
        raise WrongSchema(text)


def mismatch(version: str, *, compatible: bool) -> str | None:
    """What is wrong with this version; `compatible`: the schema itself says that programs for ours work with it."""
    if version == SCHEMAS[-1] or compatible:
        return None
    if version in SCHEMAS:
        return f"the database has the schema {version}, which is older than {SCHEMAS[-1]}; run `duebook migrate`"
    return (
        f"the database has the schema {version}, which this program does not know: it is written for {SCHEMAS[-1]}; "
        "start the version of Duebook that has migrated the database"
    )
