"""A period leaves the database for an archive: as a whole, once, and whatever stops it on its way."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncpg import LockNotAvailableError

from duebook_common.archives import archiver as module
from duebook_common.archives.archiver import Archiver, NotArchived
from duebook_common.archives.chain import RecordedManifest, recorded_manifests
from duebook_common.archives.check import check_archives, read_manifest
from duebook_common.archives.folder import Folder
from duebook_common.archives.manifest import Manifest, is_manifest
from duebook_common.archives.restore import restore
from duebook_common.domain.run.commands import FailAttempt, Succeed
from duebook_common.integrity.verified import remember
from duebook_common.integrity.verify import verify
from duebook_common.store import departure
from duebook_common.store.archive_handling import chain
from duebook_common.store.checkpoints import Checkpoint
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import UNAVAILABLE, Pool, acquire, transaction
from duebook_common.store.partitions import open_period
from support.archives import ANY_AGE, LATER
from support.bookkeeping import ACTOR, NOW, created, do, started

LONG_AGO = timedelta(days=400_000)


async def with_history(pool: Pool) -> Any:
    """Two runs that ended, a dead letter and a running one, in a period that has ended; returns the period's start."""
    for _ in range(2):
        await do(pool, await started(pool), Succeed(1, {"rows": 3}, NOW))
    await do(pool, await started(pool, max_retries=0), FailAttempt(1, "boom", NOW, chance=0.5, retry=False))
    await started(pool)
    await created(pool)
    born = await pool.fetchval("SELECT born FROM periods")
    await end_period(pool, LATER)
    return born


async def end_period(pool: Pool, end: datetime) -> None:
    async with transaction(pool) as db:
        assert await open_period(db, end)


async def recorded(pool: Pool) -> list[RecordedManifest]:
    async with acquire(pool) as db:
        return recorded_manifests(await chain(db))


async def must_have_left(pool: Pool, folder: Path, born: Any) -> None:
    """The period's archive is sound, what had ended has lines, and what had not is where it was."""
    target = Folder(str(folder))
    assert not [fault async for fault in check_archives(target, await recorded(pool))]
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "archived"
    assert await pool.fetchval("SELECT count(*) FROM events WHERE born = $1", born) == 0
    assert await statuses(pool, "ledger_lines") == {"succeeded": 2}
    assert await statuses(pool, "runs") == {"dead_lettered": 1, "running": 1}
    assert (await verify(pool, LONG_AGO)).breaches == []


async def statuses(pool: Pool, table: str) -> dict[str, int]:
    return {
        row["status"]: row["n"] for row in await pool.fetch(f"SELECT status, count(*) AS n FROM {table} GROUP BY 1")
    }


async def manifest_of(pool: Pool, folder: Path) -> Manifest:
    [archive] = await recorded(pool)
    manifest = await read_manifest(Folder(str(folder)), archive)
    assert isinstance(manifest, Manifest)
    return manifest


async def test_what_has_ended_leaves_and_what_is_open_stays(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0)
    assert await archiver.overdue(ANY_AGE) > 0
    archived = await archiver.archive_due(ANY_AGE)
    assert archived is not None
    await must_have_left(pool, tmp_path, born)
    assert await archiver.archive_due(ANY_AGE) is None
    assert await archiver.overdue(ANY_AGE) == 0
    manifest = await manifest_of(pool, tmp_path)
    assert (manifest.number, manifest.previous, manifest.start) == (1, None, born)
    assert archived.events == manifest.events > 0


async def test_nothing_leaves_before_its_time(pool: Pool, tmp_path: Path) -> None:
    await with_history(pool)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
    assert await archiver.archive_due(timedelta(days=90)) is None
    assert await archiver.archive_due(None) is None
    assert [*tmp_path.iterdir()] == []


_KNOWN = "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM ledger_lines JOIN archives ON number = archive)"


class _Killed(BaseException):
    """Ends a process at a step."""


def kill(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool, at: int = 1, by: Any = _Killed
) -> None:
    step, calls = getattr(owner, name), 0

    async def killed(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and not after:
            raise by
        result = await step(*arguments, **more)
        if calls == at:
            raise by
        return result

    monkeypatch.setattr(owner, name, killed)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (departure, "move_open"),
        (departure, "seal"),
        (Folder, "put"),
        (module, "file_states"),
        (module, "record_archive"),
        (departure, "settle"),
        (departure, "drop"),
    ],
)
async def test_it_goes_on_wherever_it_was_killed(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, after: bool
) -> None:
    born = await with_history(pool)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0)
    with monkeypatch.context() as patch:
        kill(patch, owner, name, after=after)
        with pytest.raises(_Killed):
            await archiver.archive_due(ANY_AGE)
    assert (await verify(pool, LONG_AGO)).breaches == []
    assert await pool.fetchval(_KNOWN) == 4
    while await archiver.archive_due(ANY_AGE) is not None:
        pass
    await must_have_left(pool, tmp_path, born)


async def test_a_target_that_fails_leaves_the_period_as_it_was(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    with pytest.raises(OSError, match="does not exist"):
        await Archiver(pool, Folder(str(tmp_path / "absent")), ACTOR).archive_due(ANY_AGE)
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"
    assert await recorded(pool) == []
    assert (await verify(pool, LONG_AGO)).breaches == []


async def test_a_seal_is_taken_back_where_the_rest_cannot_move(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    born = await with_history(pool)
    kill(monkeypatch, departure, "move_open", after=False, at=2, by=LockNotAvailableError)
    monkeypatch.setattr(module, "_TRIES", 1)
    with pytest.raises(LockNotAvailableError):
        await Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0).archive_due(ANY_AGE)
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"


async def test_a_subscriber_that_is_behind_keeps_the_period(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    await pool.execute("INSERT INTO checkpoints VALUES ('relay', '0', 0)")
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0)
    with pytest.raises(NotArchived, match="relay has yet to read"):
        await archiver.archive_due(ANY_AGE)
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"
    await pool.execute("DELETE FROM checkpoints")
    assert await archiver.archive_due(ANY_AGE) is not None
    await must_have_left(pool, tmp_path, born)


async def test_a_verification_of_long_ago_keeps_no_period(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    await remember(pool, Checkpoint(0, 1))
    assert await Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0).archive_due(ANY_AGE) is not None
    await must_have_left(pool, tmp_path, born)


async def test_an_outcome_that_is_to_be_mailed_keeps_its_run(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay was behind, and catches up while the files are written."""
    born, put = await with_history(pool), Folder.put
    owed = "INSERT INTO mails_owed SELECT run_id, job_id, 'succeeded', 3, 0, now() FROM runs WHERE status = 'succeeded'"

    async def catching_up(self: Folder, name: str, content: bytes) -> None:
        await put(self, name, content)
        await pool.execute(f"{owed} ON CONFLICT DO NOTHING")

    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0)
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "put", catching_up)
        with pytest.raises(NotArchived, match="mails"):
            await archiver.archive_due(ANY_AGE)
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"
    assert await archiver.archive_due(ANY_AGE) is not None
    assert await statuses(pool, "runs") == {"dead_lettered": 1, "running": 1, "succeeded": 2}


async def test_a_vacuum_of_another_period_does_not_hold_a_period_back(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    async with transaction(pool) as db:
        await db.execute("LOCK TABLE ONLY events_kept IN SHARE UPDATE EXCLUSIVE MODE")  # that of a vacuum
        assert await Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0).archive_due(ANY_AGE) is not None
    await must_have_left(pool, tmp_path, born)


async def test_a_file_that_changed_after_it_was_written_keeps_the_period(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_history(pool)
    put = Folder.put

    async def damaging(self: Folder, name: str, content: bytes) -> None:
        await put(self, name, content[:-1] if name.endswith(".zst") else content)

    monkeypatch.setattr(Folder, "put", damaging)
    with pytest.raises(NotArchived, match="not what was written"):
        await Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0).archive_due(ANY_AGE)
    assert await recorded(pool) == []


async def test_two_schedulers_do_not_archive_at_once(pool: Pool, tmp_path: Path) -> None:
    await with_history(pool)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0)
    async with departure.alone(pool) as db:
        assert db is not None
        assert await archiver.archive_due(ANY_AGE) is None


_LOSE_THE_LOCK = """
SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE locktype = 'advisory' AND objid = 7246 AND datname = current_database()
"""


async def test_a_writer_that_lost_its_lock_changes_no_recorded_archive(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process archives the period between the last look at the lock and the manifest."""
    born, put, target = await with_history(pool), Folder.put, Folder(str(tmp_path))

    async def overtaken(self: Folder, name: str, content: bytes) -> None:
        if is_manifest(name):
            monkeypatch.setattr(Folder, "put", put)
            await pool.execute(_LOSE_THE_LOCK)
            assert await Archiver(pool, target, ACTOR, pace=0).archive_due(ANY_AGE) is not None
        await put(self, name, content)

    monkeypatch.setattr(Folder, "put", overtaken)
    with pytest.raises((Conflict, *UNAVAILABLE)):
        await Archiver(pool, target, ACTOR, pace=0).archive_due(ANY_AGE)
    await must_have_left(pool, tmp_path, born)


async def test_archives_form_a_chain_and_what_stays_leaves_later(pool: Pool, tmp_path: Path) -> None:
    await with_history(pool)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0)
    first = await archiver.archive_due(ANY_AGE)
    running = await pool.fetchval("SELECT run_id FROM runs WHERE status = 'running'")
    await end_period(pool, LATER.replace(month=2))
    second = await archiver.archive_due(ANY_AGE)
    assert first is not None
    assert second is not None
    assert (second.number, second.previous) == (2, first.digest)
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE run_id = $1", running) == 1
    assert not [fault async for fault in check_archives(Folder(str(tmp_path)), await recorded(pool))]


async def test_a_restored_archive_has_the_rows_that_left(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    gone = "SELECT to_jsonb(e) FROM events AS e WHERE born = $1 AND stream = ANY($2) ORDER BY xid, position"
    ended = [f"run-{r['run_id']}" for r in await pool.fetch("SELECT run_id FROM runs WHERE status = 'succeeded'")]
    before = await pool.fetch(gone, born, ended)
    await Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0).archive_due(ANY_AGE)
    manifest = await manifest_of(pool, tmp_path)
    schema = f"archive_{manifest.period.replace('-', '_').lower()}"
    for _ in range(2):
        assert await restore(pool, Folder(str(tmp_path)), manifest) == sum(file.lines for file in manifest.files)
        restored = gone.replace("FROM events", f"FROM {schema}.events")
        assert await pool.fetch(restored, born, ended) == before
    assert (await verify(pool, LONG_AGO)).breaches == []


async def test_the_runs_of_a_job_that_keeps_them_longer_stay(pool: Pool, tmp_path: Path) -> None:
    for keep in (timedelta(seconds=1), timedelta(days=36_500)):
        await do(pool, await started(pool, keep=keep), Succeed(1, None, NOW))
    await pool.execute("UPDATE runs SET created_at = clock_timestamp() - interval '400 days'")
    await end_period(pool, LATER)
    assert await Archiver(pool, Folder(str(tmp_path)), ACTOR, pace=0).archive_due(ANY_AGE) is not None
    assert await statuses(pool, "ledger_lines") == {"succeeded": 1}
    assert await statuses(pool, "runs") == {"succeeded": 1}
    kept = await pool.fetchval("SELECT definition ->> 'keep' FROM jobs JOIN runs USING (job_id)")
    assert kept == "P100Y"
