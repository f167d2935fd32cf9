"""The loop that archives, on a real database and a folder."""

from datetime import timedelta
from pathlib import Path

from duebook_common.archives.settings import ArchiveSettings
from duebook_common.domain.run.commands import Succeed
from duebook_common.runtime.telemetry import ARCHIVE_OVERDUE, ARCHIVES
from duebook_common.store.database import Pool, transaction
from duebook_common.store.partitions import open_period
from duebook_scheduler.archiving import ArchiveKeeper
from support.archives import ANY_AGE, LATER
from support.bookkeeping import ACTOR, NOW, do, started


def keeper(pool: Pool, folder: Path, retention: timedelta) -> ArchiveKeeper:
    settings = ArchiveSettings.model_construct(retention=retention, archive_url=str(folder))
    return ArchiveKeeper(pool, settings, ACTOR)


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


async def test_what_cannot_leave_yet_is_overdue_and_no_failure_of_the_loop(pool: Pool, tmp_path: Path) -> None:
    await do(pool, await started(pool), Succeed(1, None, NOW))
    async with transaction(pool) as db:
        assert await open_period(db, LATER)
    await pool.execute("INSERT INTO checkpoints VALUES ('relay', '0', 0)")
    assert await keeper(pool, tmp_path, ANY_AGE).step() == 0
    assert ARCHIVE_OVERDUE._value.get() > 0
