"""States from the log alone: what `rebuild` writes and `verify` compares."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from duebook_common.domain import mail as mail_domain
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job
from duebook_common.domain.mail import Mail, MailFailed, MailSent
from duebook_common.domain.run import state as run_domain
from duebook_common.domain.run.events import FirstEvent
from duebook_common.domain.run.state import Run
from duebook_common.store.eventstore import RecordedEvent


def stream_id(stream: str) -> UUID:
    """The job or run that a stream's name ends with."""
    return UUID(stream[-36:])


def fold_run(recorded: Sequence[RecordedEvent]) -> Run:
    """A run from its whole stream."""
    first, *later = [item.event for item in recorded]
    assert isinstance(first, FirstEvent)
    run = run_domain.opened(stream_id(recorded[0].stream), first)
    for event in later:
        run = run_domain.evolve(run, event)  # type: ignore[arg-type]
    return run


def fold_job(job_id: UUID, recorded: Sequence[RecordedEvent]) -> Job:
    """A job from its stream and the first events of its runs, in the order of the log."""
    first, *later = [item.event for item in recorded]
    assert isinstance(first, JobCreated)
    job = job_state.opened(job_id, first)
    for event in later:
        job = job_state.evolve(job, event)  # type: ignore[arg-type]
    return job


def same_run(row: Run | None, fold: Run) -> bool:
    """Whether a row tells what the log tells; `wake_at` may have been moved, and cleared by a burial."""
    if row is None or (row.wake_at is None and fold.wake_at is not None and row.status != "dead_lettered"):
        return False
    return replace(row, wake_at=fold.wake_at) == fold


def fold_mails(recorded: Iterable[RecordedEvent]) -> dict[tuple[str, str], Mail]:
    """The mails about a run from its mail stream, by what they tell of and to whom."""
    mails: dict[tuple[str, str], Mail] = {}
    for item in recorded:
        told = item.event
        assert isinstance(told, MailSent | MailFailed)
        key = told.outcome, told.recipient
        mails[key] = mail_domain.evolve(mails.get(key), stream_id(item.stream), item.job_id, item.version, told)
    return mails
