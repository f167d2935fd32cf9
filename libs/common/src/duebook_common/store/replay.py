"""States folded from the log alone: what `rebuild` writes and `verify` compares with the read models."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from duebook_common.domain import mail as mail_domain
from duebook_common.domain.bulk import state as bulk_state
from duebook_common.domain.bulk.events import BulkEvent, BulkRequested
from duebook_common.domain.bulk.state import BulkOperation
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job
from duebook_common.domain.mail import Mail, MailEvent
from duebook_common.domain.queue import state as queue_state
from duebook_common.domain.queue.events import QueueEvent, name_of
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run import evolve as run_evolve
from duebook_common.domain.run.events import FirstEvent
from duebook_common.domain.run.state import Run
from duebook_common.store.eventstore import RecordedEvent


def stream_id(stream: str) -> UUID:
    """The id of the job or run with which the stream's name ends."""
    return UUID(stream[-36:])


def by_stream(recorded: Iterable[RecordedEvent], prefix: str = "") -> dict[str, list[RecordedEvent]]:
    """The events of each stream whose name begins with `prefix`, in their order."""
    streams: dict[str, list[RecordedEvent]] = {}
    for item in recorded:
        if item.stream.startswith(prefix):
            streams.setdefault(item.stream, []).append(item)
    return streams


def moving_job(recorded: Iterable[RecordedEvent], archived: Sequence[RecordedEvent] = ()) -> list[RecordedEvent]:
    """Of all events about a job those that move it: its own, and the first event of each of its runs.

    `archived` are the first events of its archived runs. Events that move a job are appended under its lock, so that
    their positions have the order of the log, too.
    """
    moving = [r for r in recorded if r.stream.startswith("job-") or (r.stream.startswith("run-") and r.version == 1)]
    return sorted([*moving, *archived], key=lambda r: r.position) if archived else moving


def fold_run(recorded: Sequence[RecordedEvent]) -> Run:
    """A run from its whole stream."""
    first, *later = [item.event for item in recorded]
    assert isinstance(first, FirstEvent)
    run = run_evolve.opened(stream_id(recorded[0].stream), first)
    for event in later:
        run = run_evolve.evolve(run, event)  # type: ignore[arg-type]
    return replace(run, born=recorded[0].born)


def fold_job(job_id: UUID, recorded: Sequence[RecordedEvent]) -> Job:
    """A job from the events that move it, in the order of the log."""
    first, *later = [item.event for item in recorded]
    assert isinstance(first, JobCreated)
    job = job_state.opened(job_id, first)
    for event in later:
        job = job_state.evolve(job, event)  # type: ignore[arg-type]
    return replace(job, born=recorded[0].born)


def same_run(row: Run | None, fold: Run) -> bool:
    """Whether the row shows the fold. `wake_at` may differ (`wakeups`), but only a dead letter's may be cleared."""
    if row is None or (row.wake_at is None and fold.wake_at is not None and row.status != "dead_lettered"):
        return False
    return replace(row, wake_at=fold.wake_at) == fold and row.born == fold.born


def same_job(row: Job | None, fold: Job) -> bool:
    """Whether the row shows the fold."""
    return row is not None and row == fold and row.born == fold.born


def fold_mails(recorded: Iterable[RecordedEvent]) -> dict[tuple[str, str], Mail]:
    """The mails about a run from their stream, by outcome and recipient, without those that were erased."""
    mails: dict[tuple[str, str], Mail] = {}
    for item in recorded:
        event = item.event
        assert isinstance(event, MailEvent)
        assert item.job_id is not None
        if not event.recipient:
            continue
        key = event.outcome, event.recipient
        mails[key] = mail_domain.evolve(mails.get(key), stream_id(item.stream), item.job_id, item.version, event)
    return mails


def fold_bulk(recorded: Sequence[RecordedEvent]) -> BulkOperation:
    """A bulk operation from its whole stream."""
    first, *later = recorded
    requested = first.event
    assert isinstance(requested, BulkRequested)
    bulk = bulk_state.opened(stream_id(first.stream), first.meta["actor"], requested)
    for item in later:
        event = item.event
        assert isinstance(event, BulkEvent)
        bulk = bulk_state.evolve(bulk, item.meta["actor"], event)
    return bulk


def is_of_queue(stream: str) -> bool:
    """Whether the stream is that of a queue or of the installation."""
    return stream == "installation" or stream.startswith("queue-")


def fold_pauses(recorded: Iterable[RecordedEvent]) -> list[Pause]:
    """The pauses of a queue, or of the installation, from its whole stream, oldest first."""
    pauses = dict[datetime, Pause]()
    last: Pause | None = None
    for item in recorded:
        event = item.event
        assert isinstance(event, QueueEvent)
        last = queue_state.evolve(last, name_of(item.stream), item.version, item.meta["actor"], event)
        pauses[last.since] = last
    return [*pauses.values()]
