"""The loop that archives, on a real database and a folder."""

from asyncio import CancelledError
from datetime import timedelta
from pathlib import Path

import pytest

from duebook_common.archives.folder import Folder
from duebook_common.archives.rewriter import Rewriter
from duebook_common.archives.settings import ArchiveSettings
from duebook_common.domain.run.commands import Succeed
from duebook_common.runtime.pacing import Pace
from duebook_common.runtime.telemetry import ARCHIVE_OVERDUE, ARCHIVES, ERASURE_OVERDUE, LOOP_FAILURES
from duebook_common.store import departure
from duebook_common.store.database import Pool, transaction
from duebook_common.store.erasure import erase_archived_run
from duebook_common.store.partitions import open_period
from duebook_scheduler.archiving import ArchiveKeeper
from duebook_scheduler.without_archives import WithoutArchives
from support.archiver import Killed, kill, must_have_left, with_history
from support.archives import ANY_AGE, LATER
from support.bookkeeping import ACTOR, NOW, do, started
from support.full_disk import full_disk


def keeper(pool: Pool, folder: Path, retention: timedelta) -> ArchiveKeeper:
    settings = ArchiveSettings.model_construct(retention=retention, archive_url=str(folder))
    return ArchiveKeeper(pool, settings, ACTOR, is_late=lambda: False)


async def test_one_period_leaves_with_each_step(pool: Pool, tmp_path: Path) -> None:
    await do(pool, await started(pool), Succeed(1, None, NOW))
    async with transaction(pool) as db:
        for month in (1, 2):
            assert await open_period(db, LATER.replace(month=month))
    before = ARCHIVES._value.get()
    archiving = keeper(pool, tmp_path, ANY_AGE)
    assert [await archiving.step() for _ in range(3)] == [1, 1, 0]
    assert ARCHIVES._value.get() == before + 2
    assert len([*tmp_path.iterdir()]) == 2


async def test_the_pace_of_an_archive_follows_whether_runs_are_late(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests = set[float]()

    async def rest_after(pace: Pace, took: float, least: float = 0) -> None:
        rests.add(pace.while_late if pace.is_late() else pace.rest)

    monkeypatch.setattr(Pace, "rest_after", rest_after)
    for late in (False, True):
        await do(pool, await started(pool), Succeed(1, None, NOW))
        async with transaction(pool) as db:
            assert await open_period(db, LATER.replace(month=2 if late else 1))
        settings = ArchiveSettings.model_construct(retention=ANY_AGE, archive_url=str(tmp_path))
        assert await ArchiveKeeper(pool, settings, ACTOR, lambda late=late: late).step() == 1  # type: ignore[misc]
        assert rests == ({4} if late else {2})
        rests.clear()


async def test_what_cannot_leave_yet_is_overdue_and_no_failure_of_the_loop(pool: Pool, tmp_path: Path) -> None:
    await do(pool, await started(pool), Succeed(1, None, NOW))
    async with transaction(pool) as db:
        assert await open_period(db, LATER)
    await pool.execute("INSERT INTO checkpoints VALUES ('relay', '0', 0)")
    assert await keeper(pool, tmp_path, ANY_AGE).step() == 0
    assert ARCHIVE_OVERDUE._value.get() > 0


async def test_a_folder_that_refuses_is_logged_once_and_again_when_it_changes(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    born, folder = await with_history(pool), tmp_path / "mount"
    archiving, failures = keeper(pool, folder, ANY_AGE), LOOP_FAILURES.labels("archives")
    before = failures._value.get()
    assert [await archiving.step() for _ in range(3)] == [0, 0, 0]
    folder.mkdir()
    with full_disk(monkeypatch, folder, 100):
        assert [await archiving.step() for _ in range(3)] == [0, 0, 0]
    assert ARCHIVE_OVERDUE._value.get() > 0
    assert failures._value.get() == before + 6
    reasons = [line.partition("reason=")[2] for line in capsys.readouterr().out.splitlines()]
    assert reasons == [
        f"'the folder for archives does not exist: {folder}; create or mount it'",
        f"'{folder}: No space left on device; free its disk'",
    ]
    assert await archiving.step() == 1
    await must_have_left(pool, folder, born)
    assert ARCHIVE_OVERDUE._value.get() == 0


async def test_an_archive_that_is_cancelled_ends_without_another_work(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rewrite(_: Rewriter, __: object) -> None:
        raise AssertionError("the scheduler waits for this when it stops")

    born = await with_history(pool)
    kill(monkeypatch, Folder, "put", after=False, by=CancelledError)
    monkeypatch.setattr(Rewriter, "rewrite_due", rewrite)
    with pytest.raises(CancelledError):
        await keeper(pool, tmp_path, ANY_AGE).step()
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"


async def with_an_erasure(pool: Pool, folder: Path) -> None:
    """An archive that has the contents of a run that was erased."""
    run = await started(pool)
    await do(pool, run, Succeed(1, {"rows": 3}, NOW))
    async with transaction(pool) as db:
        assert await open_period(db, LATER)
    assert await keeper(pool, folder, ANY_AGE).step() == 1
    await erase_archived_run(pool, run.id, None, NOW, ACTOR)


async def test_an_erasure_reaches_its_archive(pool: Pool, tmp_path: Path) -> None:
    await with_an_erasure(pool, tmp_path)
    await WithoutArchives(pool).step()
    assert ERASURE_OVERDUE._value.get() > 0
    await keeper(pool, tmp_path, ANY_AGE).step()
    assert ERASURE_OVERDUE._value.get() == 0
    assert await pool.fetchval("SELECT erasures FROM archives") == 1


async def test_an_erasure_that_cannot_reach_its_archive_is_overdue(pool: Pool, tmp_path: Path) -> None:
    await with_an_erasure(pool, tmp_path)
    [events] = tmp_path.glob("*/events-*")
    events.unlink()
    await keeper(pool, tmp_path, ANY_AGE).step()
    assert ERASURE_OVERDUE._value.get() > 0


async def test_a_scheduler_without_archives_says_that_erasures_wait(
    pool: Pool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = WithoutArchives(pool)
    await waiting.step()
    assert (ERASURE_OVERDUE._value.get(), capsys.readouterr().out) == (0, "")
    await with_an_erasure(pool, tmp_path)
    await waiting.step()
    assert ERASURE_OVERDUE._value.get() > 0
    assert "DUEBOOK_ARCHIVE_URL is missing" in capsys.readouterr().out


@pytest.mark.parametrize(("recorded", "status"), [(False, "closed"), (True, "leaving")])
async def test_a_scheduler_without_archives_takes_the_seal_of_a_killed_archiver_back(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: bool, status: str
) -> None:
    born = await with_history(pool)
    with monkeypatch.context() as patch:
        kill(patch, departure, "settle" if recorded else "move_open", after=False, at=1 if recorded else 2)
        with pytest.raises(Killed):
            await keeper(pool, tmp_path, ANY_AGE).step()
    await WithoutArchives(pool).step()
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == status
