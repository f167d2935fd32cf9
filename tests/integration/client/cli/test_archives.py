"""`duebook archive`, against a real database and a folder."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from asyncpg import LockNotAvailableError

from duebook_common.archives.archiver import Archiver
from duebook_common.archives.rewriter import Rewriter
from duebook_common.archives.targets import open_target
from duebook_common.domain.run.commands import Succeed
from duebook_common.store import departure
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Pool, transaction
from duebook_common.store.erasure import erase_archived_run
from duebook_common.store.partitions import open_period
from support.archives import ANY_AGE
from support.bookkeeping import ACTOR, NOW, do, started
from support.program import Program


@pytest.fixture
def archives(tmp_path: Path) -> dict[str, str]:
    return {"DUEBOOK_ARCHIVE_URL": str(tmp_path)}


def test_without_a_retention_or_a_target_it_says_what_to_set(duebook: Program, archives: dict[str, str]) -> None:
    for arguments, environment, says in (
        (("run",), archives, "set DUEBOOK_RETENTION"),
        (("run", "--older-than", "30d"), {}, "DUEBOOK_ARCHIVE_URL is missing"),
        (("verify",), {}, "DUEBOOK_ARCHIVE_URL is missing"),
    ):
        done = duebook("archive", *arguments, **environment)
        assert (done.exit_code, done.stdout) == (1, "")
        assert says in done.stderr


def test_what_is_not_old_enough_stays(duebook: Program, archives: dict[str, str], tmp_path: Path) -> None:
    done = duebook("archive", "run", "--older-than", "30d", "-o", "json", **archives)
    assert (done.exit_code, done.stdout.strip()) == (0, "[]")
    assert "periods archived: 0" in done.stderr
    assert duebook.data("archive", "list") == []
    checked = duebook("archive", "verify", **archives)
    assert (checked.exit_code, "checked 0 archives: no faults" in checked.stderr) == (0, True)
    missing = duebook("archive", "restore", "2026-01", **archives)
    assert (missing.exit_code, "there is no archive 2026-01" in missing.stderr) == (3, True)


async def with_old_period(pool: Pool) -> None:
    """A run that has ended, in a period that has ended, too."""
    await do(pool, await started(pool), Succeed(1, {"rows": 3}, NOW))
    born = await pool.fetchval("SELECT born FROM periods")
    async with transaction(pool) as db:
        assert await open_period(db, born + timedelta(minutes=1))


OLD = ("run", "--older-than", "0.001s")


async def test_a_list_shows_each_archive(offline: Program, archives: dict[str, str], pool: Pool) -> None:
    await with_old_period(pool)
    archived = await asyncio.to_thread(offline, "archive", *OLD, **archives)
    assert (archived.exit_code, "periods archived: 1" in archived.stderr) == (0, True)
    [item] = await asyncio.to_thread(offline.data, "archive", "list")
    row = await pool.fetchrow("SELECT period, events, digest, archived_at FROM archives")
    assert row is not None
    assert (item["period"], item["events"], item["digest"]) == (row["period"], row["events"], row["digest"])
    assert datetime.fromisoformat(item["archived_at"]) == row["archived_at"].replace(microsecond=0)
    table = await asyncio.to_thread(offline, "archive", "list")
    assert (table.exit_code, row["digest"] in table.stdout) == (0, True)


_NO_BUCKET = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("{0}/absent", "DUEBOOK_ARCHIVE_URL: the folder for archives does not exist: {0}/absent; create or mount it"),
        ("/proc/self", "DUEBOOK_ARCHIVE_URL: /proc/self/"),
        ("s3://absent/x", "DUEBOOK_ARCHIVE_URL: s3://absent/x: "),
    ],
)
async def test_a_target_that_refuses_is_named(
    offline: Program, pool: Pool, tmp_path: Path, target: str, says: str
) -> None:
    await with_old_period(pool)
    archives = _NO_BUCKET | {"DUEBOOK_ARCHIVE_URL": target.format(tmp_path)}
    done = await asyncio.to_thread(offline, "archive", *OLD, **archives)
    assert (done.exit_code, says.format(tmp_path) in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    ("url", "endpoint", "says"),
    [
        ("s3://a b", "", "name the bucket"),
        ("s3://a/b", "me:secret@localhost:9000", "AWS_ENDPOINT_URL is no address"),
        ("s3://a/b", "http://me:secret@localhost:9000", "AWS_ENDPOINT_URL has a user or a password"),
    ],
)
def test_an_address_that_is_none_is_refused(offline: Program, url: str, endpoint: str, says: str) -> None:
    done = offline("archive", "verify", DUEBOOK_ARCHIVE_URL=url, AWS_ENDPOINT_URL=endpoint)
    assert (done.exit_code, says in done.stderr, "secret" in done.stderr) == (2, True, False)


async def test_a_period_that_another_process_works_on_is_no_success(
    offline: Program, archives: dict[str, str], pool: Pool
) -> None:
    await with_old_period(pool)
    async with departure.alone(pool):
        busy = await asyncio.to_thread(offline, "archive", *OLD, **archives)
    assert (busy.exit_code, "another process works on archives: try again" in busy.stderr) == (1, True)
    too_long = await asyncio.to_thread(offline, "archive", "run", "--older-than", "9999999d", **archives)
    assert (too_long.exit_code, "is too long; write at most 36500d" in too_long.stderr) == (2, True)


@pytest.mark.parametrize(
    ("owner", "name", "error", "says"),
    [
        (Archiver, "archive_due", Conflict(), "another process has worked on archives meanwhile: try again"),
        (Rewriter, "rewrite_due", Conflict(), "another process has worked on archives meanwhile: try again"),
        (Archiver, "archive_due", LockNotAvailableError(), "a transaction or a vacuum holds a lock on the log"),
    ],
)
def test_what_other_processes_keep_from_working_is_one_line(
    offline: Program, archives: dict[str, str], monkeypatch: pytest.MonkeyPatch,
    owner: Any, name: str, error: Exception, says: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(owner, name, AsyncMock(side_effect=error))
    done = offline("archive", *OLD, **archives)
    assert (done.exit_code, says in done.stderr) == (1, True), done.stderr


def test_a_period_that_becomes_old_enough_meanwhile_is_for_the_next_run(
    offline: Program, archives: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end_a_period(rewriter: Rewriter, _: Any) -> None:
        await with_old_period(rewriter.pool)

    monkeypatch.setattr(Rewriter, "rewrite_due", end_a_period)
    done = offline("archive", *OLD, "-o", "json", **archives)
    assert (done.exit_code, done.stdout.strip()) == (0, "[]"), done.stderr


async def test_what_was_archived_is_printed_also_where_the_rest_fails(
    offline: Program, archives: dict[str, str], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_old_period(pool)
    monkeypatch.setattr(Rewriter, "rewrite_due", AsyncMock(side_effect=Conflict()))
    done = await asyncio.to_thread(offline, "archive", *OLD, "-o", "json", **archives)
    row = await pool.fetchrow("SELECT period, events, bytes FROM archives")
    assert row is not None
    assert (done.exit_code, json.loads(done.stdout)) == (1, [dict(row)]), done.stderr
    assert "periods archived: 1" in done.stderr


async def test_erasures_reach_archives_also_where_a_period_cannot_leave(
    offline: Program, archives: dict[str, str], pool: Pool
) -> None:
    run = await started(pool)
    await do(pool, run, Succeed(1, {"rows": 3}, NOW))
    born = await pool.fetchval("SELECT born FROM periods")
    for minute in (1, 2):
        async with transaction(pool) as db:
            assert await open_period(db, born + timedelta(minutes=minute))
        if minute == 1:
            archiver = Archiver(pool, open_target(archives["DUEBOOK_ARCHIVE_URL"]), ACTOR)
            assert await archiver.archive_due(ANY_AGE) is not None
            await do(pool, await started(pool), Succeed(1, {"rows": 3}, NOW))
    await erase_archived_run(pool, run.id, None, NOW, ACTOR)
    async with departure.alone(pool):
        busy = await asyncio.to_thread(offline, "archive", "run", **archives)
    assert (busy.exit_code, "another process works on archives" in busy.stderr) == (1, True)
    await pool.execute("INSERT INTO checkpoints VALUES ('relay', '0', 0)")
    done = await asyncio.to_thread(offline, "archive", *OLD, **archives)
    assert (done.exit_code, "relay has yet to read" in done.stderr) == (1, True)
    assert await pool.fetchval("SELECT erasures FROM archives") == 1
    period = await pool.fetchval("SELECT period FROM archives")
    restored = await asyncio.to_thread(offline, "archive", "restore", period, **archives)
    assert (restored.exit_code, "DROP SCHEMA" in restored.stderr) == (0, True)
