"""Explains why a run ran, did not, or waits."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from duebook_api.schemas.phrases import (
    acting,
    capitalized,
    event_time,
    executor_name,
    is_or_are,
    ordinal,
    pause_clause,
    quoted,
    rate_clause,
    with_reason,
)
from duebook_api.why.facts import MOST_AHEAD, Cause, ExplainedRun, Explanation, RatePosition, RunContext
from duebook_api.why.job_sentences import event_clause
from duebook_api.why.now import present_causes, runs_ahead
from duebook_api.why.opening_sentences import OVERLAP_POLICIES, opening_sentence, other_run_cause
from duebook_api.why.run_sentences import JOB_DELETED, MADE_WAY, failures_text, run_sentence
from duebook_common.domain.run.events import FirstEvent
from duebook_common.domain.run.evolve import evolve, opened
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.phrases import duration, quantity
from duebook_common.store.eventstore import RecordedEvent

_RESTARTS = {
    "AttemptReleased": "its executor was stopping, or had no slot for it, and released it",
    "RunRedriven": "it was dead-lettered, and then redriven",
    "RunResumed": "its job was held, and then resumed",
}
_FIRST, _LATEST = 5, 95  # causes shown of a long history


def explain(run_id: UUID, recorded: Sequence[RecordedEvent], context: RunContext) -> ExplainedRun:
    """Explain a run by its whole stream, with a sentence for each event."""
    first, *later = recorded
    event = first.event
    assert isinstance(event, FirstEvent)
    run = opened(run_id, event)
    causes = [
        replace(other_run_cause(other, context.zone, past=True), position=_position(first)) for other in context.met
    ]
    causes.append(_cause(first, opening_sentence(event, _actor(first), context)))
    for item in later:
        causes.append(_cause(item, run_sentence(run, item.event, _actor(item), context)))  # type: ignore[arg-type]
        run = evolve(run, item.event)  # type: ignore[arg-type]
    causes = [*_shortened(causes), *present_causes(run, context)]
    return ExplainedRun(run=run, explanation=Explanation(_answer(run, recorded, context), causes))


def _cause(item: RecordedEvent, text: str) -> Cause:
    return Cause(text, item.event.at, item.type, position=_position(item))


def _actor(item: RecordedEvent) -> str:
    return acting(item.meta["actor"], item.meta.get("bulk"))


def _position(item: RecordedEvent) -> tuple[int, int]:
    return item.xid, item.position


def _shortened(causes: list[Cause]) -> list[Cause]:
    omitted = len(causes) - _FIRST - _LATEST
    if omitted <= 1:
        return causes
    note = Cause(f"{quantity(omitted, 'further event')} are omitted here; the run's events include them.")
    return [*causes[:_FIRST], note, *causes[-_LATEST:]]


def _answer(  # noqa: PLR0911 - one case for each status
    run: Run, recorded: Sequence[RecordedEvent], context: RunContext
) -> str:
    at = event_time(run.finished_at, context.zone) if run.finished_at else ""
    match run.status:
        case RunStatus.SUCCEEDED:
            return f"It ran and succeeded at {at} in its {ordinal(run.attempt)} attempt."
        case RunStatus.RUNNING:
            return _running(run, context)
        case RunStatus.DEAD_LETTERED:
            failures = failures_text(run.failures, run.error)
            return f"It was dead-lettered at {at} after {failures}, and stays so until it is redriven or discarded."
        case RunStatus.DISCARDED:
            by = _actor(recorded[-1])
            return f"It failed with {quoted(run.error or '')}, and {by} discarded it at {at}{with_reason(run.reason)}."
        case RunStatus.CANCELLED:
            return _cancelled(run, recorded, at)
        case RunStatus.SKIPPED:
            return _skipped(run, context)
        case RunStatus.WAITING:
            return _waiting(run, context)
        case RunStatus.RETRYING:
            return _retrying(run, recorded[-1].type, context)
        case RunStatus.DISPATCHED:
            return _dispatched(run, context)


def _running(run: Run, context: RunContext) -> str:
    stopping = ", and has been asked to stop" if run.cancel_requested else ""
    started = event_time(run.started_at, context.zone) if run.started_at else ""
    attempt = f"its {ordinal(run.attempt)} attempt started at {started} on {executor_name(run.executor)}"
    return f"It is running: {attempt}{stopping}."


def _cancelled(run: Run, recorded: Sequence[RecordedEvent], at: str) -> str:
    """The actor is that of the request to stop, if there was one: an executor only carries it out."""
    reason = run.reason or ""
    if reason.startswith(MADE_WAY):
        return f"It was cancelled at {at}: it {reason}."
    if reason == JOB_DELETED:
        return f"It was cancelled at {at}, because the job was deleted."
    command = next((item for item in reversed(recorded) if item.type == "RunCancelRequested"), recorded[-1])
    return f"{capitalized(_actor(command))} cancelled it{with_reason(run.reason)}; it ended at {at}."


def _skipped(run: Run, context: RunContext) -> str:
    match run.reason:
        case "overlap":
            other, overlap = f"run {context.met[0].id}" if context.met else "another run", context.definition.overlap
            policy = f"overlap policy {overlap}: {OVERLAP_POLICIES[overlap]}"
            return f"It did not run, because {other} of the same job was still active when it was due ({policy})."
        case "deadline":
            by = f" by {event_time(run.start_by, context.zone)}" if run.start_by else ""
            return f"It did not run, because it could not start{by}, within its start_within, and may not start later."
        case _:
            return f"It did not run, with the reason {quoted(run.reason or '')}."


def _waiting(run: Run, context: RunContext) -> str:
    if run.held:
        why = event_clause(context.pause, context.zone) if context.pause else "its job's runs are held"
        return f"It waits until its job is resumed, because {why}."
    if context.queue_pause is not None:
        return f"It waits, because {pause_clause(context.queue_pause, context.zone)}."
    if run.not_before is not None and run.not_before > context.now:
        at = event_time(run.not_before, context.zone)
        return f"It waits until {at}, when its next attempt is due."
    if context.blockers:
        more = len(context.blockers) - 1
        others = f"run {context.blockers[0].id}" + (f" and {quantity(more, 'further run')}" if more else "")
        return f"It waits until {others} of the same job {'have' if more else 'has'} ended."
    if context.missing is not None:
        return f"It waits for an executor: {context.missing}."
    slots, key = context.slots, run.concurrency
    if key is not None and slots is not None and slots.taken >= key.limit:
        taken = f"{slots.taken} of {quantity(key.limit, 'slot')} {is_or_are(slots.taken)} taken"
        ahead = f"{taken}, and {runs_ahead(slots.ahead)} of it"
        return f"It waits for a slot of the concurrency key {quoted(key.key)}: {ahead}."
    position = context.rate_position
    if run.rate is not None and position is not None and position.expected_at > context.now:
        return f"It waits for {rate_clause(run.rate)}: {_in_line(position, context)}."
    return "It is ready, and waits for a scheduler to send it to its queue."


def _in_line(position: RatePosition, context: RunContext) -> str:
    at = event_time(position.expected_at, context.zone)
    start = "does not start before about" if position.ahead > MOST_AHEAD else "may start at about"
    return f"{runs_ahead(position.ahead)} of it, and it {start} {at}"


def _retrying(run: Run, last_event: str, context: RunContext) -> str:
    ahead = run.wake_at - context.now if run.wake_at is not None else timedelta(0)
    when = "due now"
    if context.queue_pause is not None:
        when = f"which does not start before the resume, because {pause_clause(context.queue_pause, context.zone)}"
    elif ahead > timedelta(0):
        when = f"in {duration(ahead)}, at {event_time(context.now + ahead, context.zone)}"
    if last_event in _RESTARTS:
        return f"It waits to be started again, {when}: {_RESTARTS[last_event]}."
    used = f"{run.failures} of {quantity(run.max_attempts, 'attempt')} {is_or_are(run.failures)} used"
    failed = f"attempt {run.attempt} failed with {quoted(run.error or '')}"
    return f"It waits for its next attempt, {when}: {failed}, and {used}."


def _dispatched(run: Run, context: RunContext) -> str:
    if context.queue_pause is not None:
        return f"It does not start, because {pause_clause(context.queue_pause, context.zone)}."
    if run.dispatch == 0:
        ahead = run.due_at - context.now
        if ahead > timedelta(0):
            return f"It is not due yet: it is due in {duration(ahead)}, at {event_time(run.due_at, context.zone)}."
        return "It is due, and waits for a scheduler to send it to its queue."
    position = context.queue_position
    runs_ahead = position.ahead if position else 0
    ahead_of_it = f"{quantity(runs_ahead, 'run')} {is_or_are(runs_ahead)}" if runs_ahead else "no run is"
    missing = f", and {context.missing}" if context.missing else ""
    return f"It waits in the queue {quoted(run.queue)} for an executor: {ahead_of_it} ahead of it{missing}."
