"""Which states folded from the log the read models do not show: `verify` reports them, `rebuild` writes them."""

from collections.abc import Sequence

from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.replay import same_job, same_run
from duebook_common.store.rows import inconsistent_jobs, load_jobs, load_runs, planned_wakeups


async def wrong_jobs(db: Connection, folds: Sequence[Job]) -> list[Job]:
    """The jobs whose row is missing, differs from the fold or contradicts itself."""
    job_ids = [fold.id for fold in folds]
    rows, inconsistent = await load_jobs(db, job_ids), await inconsistent_jobs(db, job_ids)
    return [fold for fold in folds if not same_job(rows.get(fold.id), fold) or fold.id in inconsistent]


async def wrong_runs(db: Connection, folds: Sequence[Run]) -> list[Run]:
    """The runs whose row is missing or differs from the fold, apart from a moved `wake_at`."""
    rows, planned = await load_runs(db, [fold.id for fold in folds]), await planned_wakeups(db, folds)
    return [fold for fold in folds if not same_run(rows.get(fold.id), fold) or planned[fold.id] != fold.wake_at]
