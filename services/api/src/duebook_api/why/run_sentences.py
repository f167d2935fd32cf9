"""What happened to a run after its first event, a sentence for each."""

from datetime import timedelta

from duebook_api.why.facts import Circumstances
from duebook_api.why.phrases import because, capital, count, executor, moment, quoted, span
from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    FirstEvent,
    RunCancelled,
    RunCancelRequested,
    RunDeadLettered,
    RunDiscarded,
    RunEvent,
    RunExpired,
    RunRedriven,
    RunRequeued,
)
from duebook_common.domain.run.state import Run, RunStatus

MADE_WAY, DELETED = "made way", "the job was deleted"


def happening(run: Run, event: RunEvent, actor: str, c: Circumstances) -> str:
    """The event in words; `run` as it stood before, `actor` as `words.who` says it."""
    match event:
        case RunExpired():
            return f"{_expired(run, c)}, so it was skipped rather than run late."
        case RunRequeued():
            return _requeued(run, event)
        case AttemptStarted():
            again = "" if event.attempt == 1 else f", {count(run.failures, 'failure')} behind it"
            return f"Attempt {event.attempt} started on {executor(event.executor)}{again}."
        case AttemptSucceeded():
            return f"Attempt {event.attempt} succeeded{_after(run, event)}."
        case AttemptFailed():
            return (
                f"Attempt {event.attempt} failed{_after(run, event)} with {quoted(event.error)}{_used(run, event, c)}."
            )
        case AttemptLost():
            lost = f"{capital(executor(run.executor))} was lost: it gave no sign of life for longer than its lease"
            return f"{lost}, so attempt {event.attempt} counts as failed{_used(run, event, c)}."
        case AttemptReleased():
            stopping = f"{capital(executor(run.executor))} was stopping"
            return f"{stopping}, and handed attempt {event.attempt} back; it is not charged."
        case RunCancelRequested():
            return f"{capital(actor)} asked it to stop{because(event.reason)}."
        case RunCancelled():
            return f"{cancelled(run, event, actor)}."
        case RunDeadLettered():
            return f"It was given up after {count(event.failures, 'failure')}, the last of them {quoted(event.error)}."
        case RunRedriven():
            edited = " with an edited payload" if event.own_payload else ""
            return f"{capital(actor)} had it tried again{edited}{because(event.reason)}."
        case RunDiscarded():
            return f"{capital(actor)} decided to let it rest{because(event.reason)}."
        case _:
            assert isinstance(event, FirstEvent)
            raise ValueError("a run's first event is told by `beginnings`")


def _expired(run: Run, c: Circumstances) -> str:
    until = f" by {moment(run.start_by, c.zone)}" if run.start_by else ""
    return f"No attempt had started{until}, the end of its start_within"


def _requeued(run: Run, event: RunRequeued) -> str:
    sent = f"sent to the queue {quoted(run.queue)}"
    if run.status is RunStatus.WAITING:
        return f"What it waited for was over, so it was {sent}."
    if run.status is RunStatus.RETRYING:
        return f"Its next attempt was due, so it was {sent}."
    if run.dispatch == 0:
        return f"The scheduler had it {sent}."
    return f"Its message seemed to be lost, so it was {sent} once more, for the {event.dispatch}. time."


def _after(run: Run, event: AttemptSucceeded | AttemptFailed) -> str:
    took = event.at - run.started_at if run.started_at else timedelta(0)
    return f" after {span(took)}" if took > timedelta(0) else ""


def _used(run: Run, event: AttemptFailed | AttemptLost, c: Circumstances) -> str:
    used = f"; {event.failures} of {count(run.max_attempts, 'attempt')} used"
    if event.retry_at is not None:
        return f"{used}, the next is due at {moment(event.retry_at, c.zone)}"
    if event.failures < run.max_attempts and not run.cancel_requested:
        return f"{used}, but the task said that a further one is of no use"
    return used


def cancelled(run: Run, event: RunCancelled, actor: str) -> str:
    """Who or what cancelled it."""
    reason = event.reason or ""
    where = f" while attempt {event.attempt} was running" if event.attempt is not None else " before it started"
    if reason.startswith(MADE_WAY):
        return f"It was cancelled{where}: it {reason}"
    if reason == DELETED:
        return f"It was cancelled{where}, because the job was deleted"
    if run.cancel_requested:
        return f"Attempt {event.attempt} stopped as it had been asked to, and so the run was cancelled"
    return f"{capital(actor)} cancelled it{where}{because(event.reason)}"
