"""Invariant 1: every nominal time up to now has exactly one run, or is part of a skip with its reason."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from duebook_common.domain.job import events as job_events
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.events import (
    JobChanged,
    JobCreated,
    JobDeleted,
    JobFinished,
    JobPaused,
    JobResumed,
    OccurrencesSkipped,
)
from duebook_common.domain.job.occurrence import MAX_CATCHING_UP
from duebook_common.domain.job.schedule_history import EARLIEST, SchedulePeriod, schedule_periods
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.queue.state import Pauses
from duebook_common.domain.run.events import BY_SCHEDULE, FirstEvent, RunBuffered, RunDispatched, RunSkipped
from duebook_common.domain.schedule.nominal import count_between, last_between, next_after
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.eventstore import RecordedEvent
from duebook_common.store.replay import fold_run

_INSTANT = timedelta(microseconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
_NO_PAUSES = Pauses()


def check_schedule(
    recorded: Sequence[RecordedEvent],
    due_before: datetime,
    pauses: Pauses = _NO_PAUSES,
    working_off: Container[str] = frozenset(),
    runs: Mapping[str, Sequence[RecordedEvent]] = MappingProxyType({}),
) -> Iterator[Breach]:
    """Follow a job from occurrence to occurrence: none is left out, none comes twice. Then check the totals.

    `recorded` are the events that move the job (`replay.moving_job`). All that was due at `due_before` must be there,
    except what one of the `pauses` of its queue keeps back: those that go on, or ended after that time. Nor must what
    waits in the backlog of one that queues are `working_off`, or of the policy `all` that the `runs` work off.
    """
    if not recorded or not isinstance(recorded[0].event, JobCreated):
        yield _breach(recorded[0].stream if recorded else "?", "a job's history begins with JobCreated")
        return
    assert recorded[0].job_id is not None
    history: list[Any] = [item.event for item in recorded]
    job = job_state.opened(recorded[0].job_id, history[0])
    for item, event in zip(recorded[1:], history[1:], strict=True):
        if fault := _fault(job, event):
            yield _breach(item.stream, fault)
        job = job_state.evolve(job, event)
    if job.next_at is not None and job.next_at < due_before:
        moved_at = history[-1].at
        if _kept_back(job, due_before, pauses, working_off) or _works_off(job, moved_at, runs.values(), due_before):
            due_before = job.next_at
    if job.status is JobStatus.ACTIVE and job.next_at is not None and job.next_at < due_before:
        yield _breach(job_events.stream(job.id), f"{job.next_at} is due and unaccounted for")
    yield from _check_totals(job, schedule_periods(history), due_before)


def _kept_back(job: Job, due_before: datetime, pauses: Pauses, working_off: Container[str]) -> bool:
    """Whether a pause of the queue, or its backlog, keeps back what the job has not accounted for."""
    ends = [pause.until for pause in pauses.of(job.definition.queue)]
    if any(until is None or until > due_before for until in ends):
        return True
    fell_into_pause = job.wake_at is not None and any(until is not None and job.wake_at < until for until in ends)
    return (fell_into_pause or job.backlog_since is not None) and job.definition.queue in working_off


def _works_off(job: Job, moved_at: datetime, runs: Iterable[Sequence[RecordedEvent]], due_before: datetime) -> bool:
    """Whether the policy `all` waits for a slot: the rest of its backlog stays due meanwhile.

    It does while as many runs were active since `due_before` as the policy allows at once. A setting that the log does
    not know may allow fewer than MAX_CATCHING_UP: as many as were active when the job moved last, if that left it due.
    """
    if job.definition.catch_up.policy != "all":
        return False
    spans = [(begin, end) for begin, end in map(_active_span, runs) if begin < end]
    slots = MAX_CATCHING_UP
    if job.next_at is not None and job.next_at <= moved_at:
        slots = min(slots, max(1, sum(begin <= moved_at < end for begin, end in spans)))
    return sum(end > due_before for _, end in spans) >= slots


def _active_span(items: Sequence[RecordedEvent]) -> tuple[datetime, datetime]:
    """From when until when a run was active. One that was skipped at once has the same time twice."""
    run = fold_run(items)
    return items[0].event.at, _NEVER if run.active else run.finished_at or items[-1].event.at


def _breach(stream: str, says: str) -> Breach:
    return Breach(Invariant.ACCOUNTED_FOR, stream, says)


def _check_totals(job: Job, periods: Sequence[SchedulePeriod], due_before: datetime) -> Iterator[Breach]:
    """In each period as many nominal times are recorded as its schedule names: steps that all err alike show here.

    What a change has recorded may be due later than `due_before`.
    """
    latest = job.next_at - _INSTANT if job.next_at is not None else max(due_before, job.updated_at)
    for period in periods:
        last = period.until or latest
        expected, recorded = period.count(EARLIEST, last), period.runs + sum(skip.count for skip in period.skips)
        if expected != recorded:
            says = f"{expected} nominal times were expected up to {last}, but {recorded} are recorded"
            yield _breach(job_events.stream(job.id), says)


def _fault(job: Job, event: object) -> str | None:
    """How the event contradicts the job before it, or None."""
    match event:
        case RunDispatched() | RunBuffered() | RunSkipped() if event.trigger in BY_SCHEDULE:
            return _run_fault(job, event)
        case OccurrencesSkipped():
            return _skip_fault(job, event)
        case JobFinished():
            return _finish_fault(job, event)
        case JobChanged() if job.next_at is not None and event.definition.same_schedule(job.definition):
            return None if event.next_at == job.next_at else f"goes on with {event.next_at} instead of {job.next_at}"
        case JobChanged() | JobPaused() | JobResumed() | JobDeleted():
            if job.next_at is not None and job.next_at < event.at:
                return f"{job.next_at} was due before the change at {event.at} and is not accounted for"
    return None


def _run_fault(job: Job, event: FirstEvent) -> str | None:
    if event.nominal_at != job.next_at:
        return f"accounts for {event.nominal_at}, but {job.next_at} was next"
    if event.next_at != next_after(job.definition, event.nominal_at):
        return f"goes on with {event.next_at}, which is not the next nominal time"
    if event.at < event.nominal_at:
        return f"dispatched at {event.at}, before its nominal time {event.nominal_at}"
    if job.exhausted and not isinstance(event, RunSkipped):
        return f"makes run {job.runs + 1}, but max_runs is {job.definition.max_runs}"
    return None


def _skip_fault(job: Job, event: OccurrencesSkipped) -> str | None:
    count = count_between(job.definition, event.first, event.last)
    last = last_between(job.definition, event.first, event.last)
    if event.first != job.next_at or count != event.count or last != event.last:
        return f"skips {event.count} from {event.first} to {event.last}, but {count} from {job.next_at} were due"
    return None if event.next_at == next_after(job.definition, event.last) else "a skip goes on with a wrong time"


def _finish_fault(job: Job, event: JobFinished) -> str | None:
    if job.next_at is None or (job.exhausted and job.next_at > event.at):
        return None
    return f"finished, although {job.next_at} was {'due' if job.exhausted else 'next'}"
