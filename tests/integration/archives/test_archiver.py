"""A period leaves the database for an archive: as a whole, once, in a chain."""

from datetime import timedelta
from pathlib import Path

import pytest

from duebook_common.archives.archiver import Archiver, NotArchived
from duebook_common.archives.check import check_archives, read_manifest
from duebook_common.archives.folder import Folder
from duebook_common.archives.manifest import Manifest
from duebook_common.archives.restore import restore
from duebook_common.domain.bulk.events import BulkAction
from duebook_common.domain.run.commands import Succeed
from duebook_common.integrity.verified import remember
from duebook_common.integrity.verify import verify
from duebook_common.store.checkpoints import Checkpoint
from duebook_common.store.database import Pool, transaction
from support.archiver import LONG_AGO, end_period, must_have_left, recorded, statuses, with_history
from support.archives import ANY_AGE, LATER
from support.bookkeeping import ACTOR, NOW, dispatched, do, started
from support.bulks import finish, request


async def manifest_of(pool: Pool, folder: Path) -> Manifest:
    [archive] = await recorded(pool)
    manifest = await read_manifest(Folder(str(folder)), archive)
    assert isinstance(manifest, Manifest)
    return manifest


async def test_what_has_ended_leaves_and_what_is_open_stays(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
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


async def test_a_subscriber_that_is_behind_keeps_the_period(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    await pool.execute("INSERT INTO checkpoints VALUES ('relay', '0', 0)")
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
    with pytest.raises(NotArchived, match="relay has yet to read"):
        await archiver.archive_due(ANY_AGE)
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"
    await pool.execute("DELETE FROM checkpoints")
    assert await archiver.archive_due(ANY_AGE) is not None
    await must_have_left(pool, tmp_path, born)


async def test_a_verification_of_long_ago_keeps_no_period(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    await remember(pool, Checkpoint(0, 1))
    assert await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE) is not None
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

    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
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
        assert await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE) is not None
    await must_have_left(pool, tmp_path, born)


async def test_archives_form_a_chain_and_what_stays_leaves_later(pool: Pool, tmp_path: Path) -> None:
    await with_history(pool)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
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
    await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE)
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
    assert await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE) is not None
    assert await statuses(pool, "ledger_lines") == {"succeeded": 1}
    assert await statuses(pool, "runs") == {"succeeded": 1}
    kept = await pool.fetchval("SELECT definition ->> 'keep' FROM jobs JOIN runs USING (job_id)")
    assert kept == "P100Y"


async def test_the_acts_of_a_bulk_operation_count_after_they_have_left(pool: Pool, tmp_path: Path) -> None:
    await dispatched(pool)
    bulk = await finish(pool, await request(pool, BulkAction.CANCEL))
    await end_period(pool, LATER)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
    assert await archiver.archive_due(ANY_AGE) is not None
    assert (await verify(pool, LONG_AGO)).breaches == []
    await pool.execute("UPDATE departed_acts SET streams = streams + 1")
    [breach] = (await verify(pool, LONG_AGO)).breaches
    assert breach.stream == f"bulk-{bulk.bulk.id}"
