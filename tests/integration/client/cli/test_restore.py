"""`duebook archive restore`, where others use what it replaces, and where it is stopped on its way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from asyncpg import UndefinedTableError

from duebook_common.archives.archiver import Archiver
from duebook_common.archives.folder import Folder
from duebook_common.archives.restore import schema_of
from duebook_common.domain.run.commands import Succeed
from duebook_common.integrity.verify import verify
from duebook_common.store.database import Pool, transaction
from support.archiver import LONG_AGO, end_period
from support.archives import ANY_AGE, LATER
from support.bookkeeping import ACTOR, NOW, do, started
from support.program import Program

_ROWS = "SELECT count(*) FROM {}.events"
# The restore waits for the lock of a reader, so it has begun and cannot go on.
_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'duebook-cli' AND datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def period(pool: Pool, tmp_path: Path) -> str:
    """An archive."""
    for _ in range(2):
        await do(pool, await started(pool), Succeed(1, {"rows": 3}, NOW))
    await end_period(pool, LATER)
    archive = await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE)
    assert archive is not None
    return archive.period


@pytest.fixture
def program(offline: Program, tmp_path: Path) -> Program:
    return Program({**offline.environment, "DUEBOOK_ARCHIVE_URL": str(tmp_path)})


async def restored(program: Program, period: str) -> Any:
    return await asyncio.to_thread(program, "archive", "restore", period)


@asynccontextmanager
async def reader(pool: Pool, schema: str) -> AsyncIterator[None]:
    """A session that reads what an earlier restore has loaded."""
    async with transaction(pool) as db:
        assert await db.fetchval(_ROWS.format(schema)) > 0
        yield


async def test_views_on_an_earlier_restore_go_with_it(pool: Pool, program: Program, period: str) -> None:
    schema = schema_of(period)
    assert (await restored(program, period)).exit_code == 0
    await pool.execute(f"CREATE VIEW report AS SELECT stream FROM {schema}.events")
    await pool.execute(f"DELETE FROM {schema}.events WHERE version = 1")
    assert (await restored(program, period)).exit_code == 0
    assert await pool.fetchval(f"SELECT count(*) FROM {schema}.events WHERE version = 1") > 0
    with pytest.raises(UndefinedTableError):
        await pool.fetch("SELECT FROM report")
    assert (await verify(pool, LONG_AGO)).breaches == []


async def test_a_session_that_uses_an_earlier_restore_is_named_and_keeps_it(
    pool: Pool, program: Program, period: str
) -> None:
    schema = schema_of(period)
    await restored(program, period)
    async with reader(pool, schema):
        refused = await restored(program, period)
    assert refused.exit_code == 1
    assert f"another session uses the schema {schema}: end its transaction, and try again" in refused.stderr
    assert await pool.fetchval(_ROWS.format(schema)) > 0
    assert (await restored(program, period)).exit_code == 0


@pytest.mark.parametrize("killed", ["process", "session"])
async def test_a_restore_that_is_killed_leaves_what_was_there(
    pool: Pool, program: Program, period: str, killed: str
) -> None:
    schema = schema_of(period)
    await restored(program, period)
    await pool.execute(f"CREATE TABLE {schema}.mine ()")
    async with reader(pool, schema):
        with program.started("archive", "restore", period) as process:
            session = await waiting_session(pool, process)
            if killed == "process":
                process.kill()
            assert await pool.fetchval("SELECT pg_terminate_backend($1, 60000)", session)
            _, stderr = await asyncio.to_thread(process.communicate)
    assert process.returncode == (-9 if killed == "process" else 1)
    assert stderr.count("\n") == (0 if killed == "process" else 1), stderr
    assert await pool.fetchval("SELECT to_regclass($1)", f"{schema}.mine") is not None
    assert (await restored(program, period)).exit_code == 0
    assert await pool.fetchval("SELECT to_regclass($1)", f"{schema}.mine") is None


async def waiting_session(pool: Pool, process: "Popen[str]") -> int:
    """The session of the restore, once it waits for the reader."""
    while (session := await pool.fetchval(_WAITING)) is None:
        assert process.poll() is None
        await asyncio.sleep(0.02)
    return int(session)


async def test_an_archive_that_goes_while_it_is_loaded_is_named(
    pool: Pool, program: Program, period: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where an erasure writes it anew, and deletes the old files."""

    async def gone(*_: Any) -> AsyncIterator[list[bytes]]:
        raise FileNotFoundError(2, "No such file or directory", "events-00001")
        yield []

    monkeypatch.setattr("duebook_common.archives.restore.line_batches", gone)
    done = await restored(program, period)
    assert (done.exit_code, f"the archive {period} changed while it was read" in done.stderr) == (1, True)
    assert "database" not in done.stderr


async def test_a_database_that_goes_is_no_change_of_the_archive(
    program: Program, period: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection through a socket that is gone fails as the reading of a file that is gone."""

    @asynccontextmanager
    async def no_socket(*_: Any) -> AsyncIterator[None]:
        raise FileNotFoundError(2, "No such file or directory")
        yield

    monkeypatch.setattr("duebook_common.archives.restore.transaction", no_socket)
    done = await restored(program, period)
    assert (done.exit_code, "while it was read" in done.stderr) == (1, False)
    assert "the database of DUEBOOK_POSTGRES_URL: [Errno 2] No such file" in done.stderr
