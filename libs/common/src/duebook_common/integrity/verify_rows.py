"""Invariant 5: every row of a read model is the fold of its events."""

from collections.abc import Mapping, Sequence
from typing import get_args
from uuid import UUID

from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.run import events as run_events
from duebook_common.domain.run.events import FirstEvent
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.differences import wrong_jobs, wrong_runs
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import RecordedEvent
from duebook_common.store.ledger_lines import load_lines
from duebook_common.store.mail_projection import load_mails
from duebook_common.store.replay import by_stream, fold_job, fold_mails, fold_run, moving_job, stream_id

_WITHOUT_EVENTS = """
SELECT rows.stream FROM (
    SELECT 'run-' || run_id AS stream FROM runs UNION ALL SELECT 'job-' || job_id FROM jobs
    UNION SELECT 'mail-' || run_id FROM mails
) AS rows
WHERE NOT EXISTS (SELECT FROM events WHERE events.stream = rows.stream AND events.version = 1) ORDER BY stream
"""
Batch = Mapping[UUID, Sequence[RecordedEvent]]
_NONE: Batch = {}


async def check_rows(db: Connection, batch: Batch, archived: Batch = _NONE) -> list[Breach]:
    """Compare the rows of these jobs, of their runs and of the mails about them with the log.

    `batch` has the events by job, `archived` the first events of archived runs. A stream whose first event is missing
    has no fold; other checks report it.
    """
    return [*await _check_jobs(db, batch, archived), *await _check_runs(db, batch), *await _check_mails(db, batch)]


async def check_orphans(db: Connection) -> list[Breach]:
    """Rows of jobs, runs and mails whose stream has no first event."""
    says = "has a row, and no event"
    return [Breach(Invariant.READ_MODELS, row["stream"], says) for row in await db.fetch(_WITHOUT_EVENTS)]


async def _check_jobs(db: Connection, batch: Batch, archived: Batch) -> list[Breach]:
    histories = {job_id: moving_job(recorded, archived.get(job_id, ())) for job_id, recorded in batch.items()}
    folds = [fold_job(job_id, history) for job_id, history in histories.items() if _begins(history, JobCreated)]
    return [_breach(job_events.stream(job.id), "the row of jobs differs") for job in await wrong_jobs(db, folds)]


async def _check_runs(db: Connection, batch: Batch) -> list[Breach]:
    streams = (stream for recorded in batch.values() for stream in by_stream(recorded, "run-").values())
    folds = [fold_run(stream) for stream in streams if _begins(stream, *get_args(FirstEvent))]
    wrong = [run.id for run in await wrong_runs(db, folds)]
    lines = await load_lines(db, wrong) if wrong else {}  # a run of a period that is leaving has a line and no row
    return [_breach(run_events.stream(id_), "the row of runs differs") for id_ in wrong if id_ not in lines]


async def _check_mails(db: Connection, batch: Batch) -> list[Breach]:
    """Each stream needs a query of its own, but few runs have mails."""
    breaches = []
    for recorded in batch.values():
        for stream, items in by_stream(recorded, "mail-").items():
            if await load_mails(db, stream_id(stream)) != fold_mails(items):
                breaches.append(_breach(stream, "the rows of mails differ"))
    return breaches


def _begins(recorded: Sequence[RecordedEvent], *types: type) -> bool:
    return bool(recorded) and isinstance(recorded[0].event, types)


def _breach(stream: str, says: str) -> Breach:
    return Breach(Invariant.READ_MODELS, stream, f"{says} from the log")
