"""The decisions about a bulk operation. A repeated command decides nothing."""

from datetime import datetime

from duebook_common.domain.bulk.events import BulkAborted, BulkEnded
from duebook_common.domain.bulk.progress import Progress
from duebook_common.domain.bulk.state import BulkOperation, BulkStatus
from duebook_common.domain.errors import (
    CommandRejected,
    JobDeletedAlready,
    TooManyActiveRuns,
    WrongStatus,
)

NOTHING_TO_DO = "there was nothing to do"
FAILED = "an unexpected error; the scheduler's log has it"
JOB_DELETED, TOO_MANY_ACTIVE_RUNS = "the job is deleted", "the job has too many active runs"
_SENTENCES = {JobDeletedAlready: JOB_DELETED, TooManyActiveRuns: TOO_MANY_ACTIVE_RUNS}


def abort(bulk: BulkOperation, progress: Progress, reason: str | None, now: datetime) -> list[BulkAborted]:
    """Raises WrongStatus if the operation has ended by itself."""
    if bulk.status is BulkStatus.ABORTED:
        return []
    if bulk.status is BulkStatus.ENDED:
        raise WrongStatus(f"bulk operation {bulk.id}", bulk.status, BulkStatus.RUNNING)
    return [BulkAborted(reason=reason, done=progress.done, refused=progress.refused, at=now)]


def end(bulk: BulkOperation, progress: Progress, now: datetime) -> list[BulkEnded]:
    if bulk.status is not BulkStatus.RUNNING:
        return []
    return [BulkEnded(done=progress.done, refused=progress.refused, at=now)]


def is_complete(bulk: BulkOperation, progress: Progress) -> bool:
    """Whether its limit allows no further target."""
    return bulk.limit is not None and progress.done >= bulk.limit


def why_refused(error: CommandRejected) -> str:
    """Why a target was left alone, in few different words, because targets are counted by it."""
    if isinstance(error, WrongStatus):
        return f"it was {error.status.replace('_', ' ')} by then"
    return _SENTENCES.get(type(error), error.code.replace("_", " "))
