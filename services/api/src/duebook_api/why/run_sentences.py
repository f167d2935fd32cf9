"""What happened to a run after its first event: a sentence for each event."""

from datetime import timedelta

from duebook_api.schemas.phrases import (
    capitalized,
    event_time,
    executor_name,
    ordinal,
    quoted,
    rate_clause,
    with_reason,
)
from duebook_api.why.facts import RunContext
from duebook_api.why.opening_sentences import no_executor
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
    RunDeferred,
    RunDiscarded,
    RunErased,
    RunEvent,
    RunExpired,
    RunHeld,
    RunRedriven,
    RunRequeued,
    RunResumed,
)
from duebook_common.domain.run.losses import EXECUTOR_ENDED
from duebook_common.domain.run.state import QUEUE_PAUSED, RATE, Run, RunStatus
from duebook_common.runtime.phrases import duration, quantity

MADE_WAY, JOB_DELETED = "made way", "the job was deleted"  # how the reasons begin that the domain records itself


def run_sentence(  # noqa: C901, PLR0911, PLR0912 - one case for each event
    run: Run, event: RunEvent, actor: str, context: RunContext
) -> str:
    """The event in a sentence. `run` is the run before the event, `actor` the phrase for the actor."""
    subject = capitalized(actor)
    match event:
        case RunExpired():
            return f"No attempt had started{_by_deadline(run, context)}, so it was skipped rather than run late."
        case RunRequeued():
            return _requeued(run, event)
        case RunDeferred():
            return f"{_deferred(run, event)}; this is not charged."
        case RunHeld():
            return f"{_held(run)}."
        case RunResumed():
            return f"{subject} resumed the job, so it is no longer held."
        case AttemptStarted():
            earlier = "" if not run.failures else f", after {quantity(run.failures, 'failure')}"
            return f"Attempt {event.attempt} started on {executor_name(event.executor)}{earlier}."
        case AttemptSucceeded():
            return f"Attempt {event.attempt} succeeded{_after(run, event)}."
        case AttemptFailed():
            failed = f"Attempt {event.attempt} failed{_after(run, event)} with {quoted(event.error)}"
            return f"{failed}{_attempts_used(run, event, context)}."
        case AttemptLost():
            return f"{_lost(run, event)}{_attempts_used(run, event, context)}."
        case AttemptReleased():
            return f"{_released(run, event)}."
        case RunCancelRequested():
            return f"{subject} asked it to stop{with_reason(event.reason)}."
        case RunCancelled():
            return f"{_cancelled(run, event, subject)}."
        case RunDeadLettered():
            return f"It was dead-lettered after {failures_text(event.failures, event.error)}."
        case RunRedriven():
            edited = " with an edited payload" if event.own_payload else ""
            return f"{subject} redrove it{edited}{with_reason(event.reason)}."
        case RunDiscarded():
            return f"{subject} discarded it{with_reason(event.reason)}."
        case RunErased():
            return f"{subject} erased its own payload, its result, errors and log lines{with_reason(event.reason)}."
        case _:
            assert isinstance(event, FirstEvent)
            raise ValueError("`opening_sentences` has the sentence for a run's first event")


def _lost(run: Run, event: AttemptLost) -> str:
    cause = "ended" if event.error == EXECUTOR_ENDED else "was lost: it did not renew its lease in time"
    return f"{capitalized(executor_name(run.executor))} {cause}, so attempt {event.attempt} counts as failed"


def _released(run: Run, event: AttemptReleased) -> str:
    executor, why = capitalized(executor_name(run.executor)), "it was stopping, or had no slot for it at its instant"
    return f"{executor} released attempt {event.attempt}, which is not charged: {why}"


def failures_text(count: int, error: str | None) -> str:
    """Such as "4 failures, the last one “connection refused”"."""
    return f"{quantity(count, 'failure')}, the last one {quoted(error or '')}"


def _held(run: Run) -> str:
    running = f"; its attempt {run.attempt} may end" if run.status is RunStatus.RUNNING else ""
    return f"Its job was paused and its runs were held, so it may not start an attempt until the resume{running}"


def _by_deadline(run: Run, context: RunContext) -> str:
    by = f" by {event_time(run.start_by, context.zone)}" if run.start_by else ""
    return f"{by}, the end of its start_within"


def _requeued(run: Run, event: RunRequeued) -> str:
    sent = f"sent to the queue {quoted(run.queue)}"
    if run.status is RunStatus.WAITING:
        return f"It no longer had to wait, so it was {sent}."
    if run.status is RunStatus.RETRYING:
        return f"Its next attempt was due, so it was {sent}."
    if run.dispatch == 0:
        return f"It was {sent} by the scheduler."
    return f"Its message seemed to be lost, so it was {sent} again, for the {ordinal(event.dispatch)} time."


def _deferred(run: Run, event: RunDeferred) -> str:
    if event.reason == QUEUE_PAUSED:
        return f"The queue {quoted(run.queue)} was paused, so it had to wait for the resume"
    if event.reason == RATE and run.rate is not None:
        return f"A start had to wait for {rate_clause(run.rate)}"
    if event.executor is None:
        return f"{capitalized(no_executor(run.queue, run.task))}, so it had to wait for one"
    received = f"{capitalized(executor_name(event.executor))} received it without having the task {quoted(run.task)}"
    return f"{received}, so it had to wait for another one"


def _after(run: Run, event: AttemptSucceeded | AttemptFailed) -> str:
    took = event.at - run.started_at if run.started_at else timedelta(0)
    return f" after {duration(took)}" if took > timedelta(0) else ""


def _attempts_used(run: Run, event: AttemptFailed | AttemptLost, context: RunContext) -> str:
    used = f"; {event.failures} of {quantity(run.max_attempts, 'attempt')} used"
    if event.retry_at is not None:
        return f"{used}, the next is due at {event_time(event.retry_at, context.zone)}"
    if event.failures < run.max_attempts and not run.cancel_requested:
        return f"{used}, but the task ruled out a retry"
    return used


def _given_up(event: RunCancelled) -> str:
    return f"Attempt {event.attempt} did not stop: it was given up and may still be running. The run was cancelled"


def _cancelled(run: Run, event: RunCancelled, actor: str) -> str:
    reason = event.reason or ""
    if event.given_up:
        return f"{_given_up(event)}{with_reason(event.reason)}"
    when = f" while attempt {event.attempt} was running" if event.attempt is not None else " before it started"
    if reason.startswith(MADE_WAY):
        return f"It was cancelled{when}: it {reason}"
    if reason == JOB_DELETED:
        return f"It was cancelled{when}, because the job was deleted"
    if run.cancel_requested:
        return f"Attempt {event.attempt} stopped as requested, so the run was cancelled"
    return f"{actor} cancelled it{when}{with_reason(event.reason)}"
