"""Why a run was created, and what its first event decided."""

from datetime import datetime, timedelta

from duebook_api.schemas.phrases import (
    capitalized,
    event_time,
    exact_time,
    executor_name,
    pause_clause,
    quoted,
    rate_clause,
    with_reason,
)
from duebook_api.why.facts import Cause, RunContext
from duebook_common.domain.definition import Overlap
from duebook_common.domain.run.events import FirstEvent, RunBuffered, RunDispatched, RunSkipped, Trigger
from duebook_common.domain.run.state import HELD, QUEUE_PAUSED, RATE, Run, RunStatus
from duebook_common.runtime.phrases import duration, exact_duration, quantity

_LATE = timedelta(seconds=1)
OVERLAP_POLICIES = {
    Overlap.SKIP: "an occurrence that is due during an active run is skipped",
    Overlap.BUFFER_ONE: "one occurrence waits for the active run to end, further ones are skipped",
    Overlap.BUFFER_ALL: "occurrences wait for the active run to end, one after the other",
    Overlap.CANCEL_OTHER: "the active run is asked to stop, and the new one waits until it has stopped",
    Overlap.TERMINATE_OTHER: "the active run is terminated, and the new one starts at once",
    Overlap.ALLOW_ALL: "runs may overlap",
}


def opening_sentence(event: FirstEvent, actor: str, context: RunContext) -> str:
    """What created the run, and what its first event decided. `actor` is the phrase for the actor."""
    return f"{_origin(event, capitalized(actor), context)}; {_decision(event, context)}."


def _origin(event: FirstEvent, actor: str, context: RunContext) -> str:
    nominal_at = exact_time(event.nominal_at, context.zone)
    occurrence = f"The schedule has an occurrence at {nominal_at}{_jitter(event)}"
    match event.trigger:
        case Trigger.MANUAL:
            reason = with_reason(context.bulk_reason) if context.bulk_reason else ""
            return f"{actor} triggered it at {event_time(event.at, context.zone)}{reason}"
        case Trigger.RERUN:
            return f"{actor} ran the run {event.cause} again at {event_time(event.at, context.zone)}"
        case Trigger.FOLLOW_UP:
            of_job = f" of the job {quoted(context.causing_job)}" if context.causing_job else ""
            return f"The end of the run {event.cause}{of_job} triggered it at {event_time(event.at, context.zone)}"
        case Trigger.BACKFILL:
            return f"{actor} requested a backfill of {nominal_at}"
        case Trigger.CATCH_UP:
            return f"{occurrence}, {_catch_up(event, context)}"
        case _:
            return occurrence


def _jitter(event: FirstEvent) -> str:
    delay = event.due_at - event.nominal_at
    return f" (due {duration(delay)} later because of jitter)" if delay else ""


def _catch_up(event: FirstEvent, context: RunContext) -> str:
    """Why the occurrence was missed, and which policy caught it up."""
    runs = "every missed occurrence" if context.definition.catch_up.policy == "all" else "the newest missed occurrence"
    policy = f"and the catch-up policy runs {runs}"
    if event.due_at < context.job.created_at:
        return f"which was past when the job was created, {policy}"
    late = f"but no scheduler dispatched it until {duration(event.at - event.due_at)} later"
    return f"{late}. Only up to {exact_duration(context.misfire)} counts as on time, so it was missed, {policy}"


def _decision(event: FirstEvent, context: RunContext) -> str:
    when = f"at {event_time(event.at, context.zone)}"
    late = event.at - event.due_at
    if event.trigger is Trigger.SCHEDULE and late >= _LATE:
        when += f", {duration(late)} late"
    if context.kept_by is not None:
        when += f", because {pause_clause(context.kept_by, context.zone)}"
    match event:
        case RunSkipped():
            return f"{when}, {_skip_cause(event, context)}, so it was skipped"
        case RunBuffered(backlog=True):
            return f"{when}, {_behind_caught_up(event, context)}, so it had to wait"
        case RunBuffered(reason="overlap"):
            return f"{when}, {_overlap(context)}, so it had to wait"
        case RunBuffered(reason="task"):
            return f"{when}, {no_executor(event.queue, event.task)}, so it had to wait"
        case RunBuffered():
            return f"{when}, it had to wait {_awaited(event)}"
        case RunDispatched(dispatch=0):
            return f"it was recorded {when}, for a scheduler to send"
        case _:
            return f"it was sent to the queue {quoted(event.queue)} {when}"


def _skip_cause(event: RunSkipped, context: RunContext) -> str:
    match event.reason:
        case "overlap":
            return _overlap(context)
        case "deadline":
            limit = context.definition.start_within
            return f"its {'start_within' if limit is None else f'start_within of {exact_duration(limit)}'} was over"
        case "max_active_runs":
            return "the job had as many active runs as DUEBOOK_MAX_ACTIVE_RUNS allows"
        case _:
            return f"the recorded reason was {quoted(event.reason)}"


def _awaited(event: RunBuffered) -> str:
    """What it waits for, if not for another run of the job."""
    if event.reason == HELD:
        return "for the resume of the job, whose runs were held"
    if event.reason == QUEUE_PAUSED:
        return f"for the resume of the queue {quoted(event.queue)}"
    if event.reason == RATE and event.rate is not None:
        return f"for {rate_clause(event.rate)}"
    return f"for a slot of its concurrency key{_limit(event)}"


def _overlap(context: RunContext) -> str:
    policy = context.definition.overlap
    return f"another run of the job was active (overlap policy {policy}: {OVERLAP_POLICIES[policy]})"


def _behind_caught_up(event: RunBuffered, context: RunContext) -> str:
    """Why it waits whatever the overlap policy says."""
    if event.resumed_at is not None:
        return "another run of the job was active, and what a pause of the queue kept back runs one after the other"
    if event.trigger is Trigger.CATCH_UP and context.definition.catch_up.policy == "all":
        return "another run of the job was active, and missed occurrences run one after the other"
    return "missed occurrences of the job were being caught up, which leaves no other occurrence out"


def no_executor(queue: str, task: str) -> str:
    return f"no executor of the queue {quoted(queue)} had the task {quoted(task)}"


def _limit(event: RunBuffered) -> str:
    key = event.concurrency
    return f" {quoted(key.key)}, which allows {quantity(key.limit, 'run')} at once" if key else ""


def other_run_cause(other: Run, zone: str, *, past: bool) -> Cause:
    """What another run of the job, which this one waits for or overlaps with, is doing; `past`: what it was doing."""
    text = f"Run {other.id}, {run_label(other, zone)}, {_activity(other, zone, past=past)}."
    return Cause(text, _active_since(other) if past else None, None, other.id)


def run_label(run: Run, zone: str) -> str:
    """What distinguishes the run from others of its job."""
    if run.trigger is Trigger.MANUAL:
        return f"triggered at {event_time(run.nominal_at, zone)}"
    if run.trigger is Trigger.RERUN:
        return f"started at {event_time(run.created_at, zone)} to repeat another"
    if run.trigger is Trigger.FOLLOW_UP:
        return f"triggered at {event_time(run.nominal_at, zone)} by the end of another"
    return f"the occurrence of {exact_time(run.nominal_at, zone)}"


def _active_since(run: Run) -> datetime:
    return run.started_at or run.created_at


def _activity(run: Run, zone: str, *, past: bool) -> str:
    has = "had" if past else "has"
    match run.status:
        case RunStatus.RUNNING:
            stopping = f" and {has} been asked to stop" if run.cancel_requested else ""
            started = f" since {event_time(run.started_at, zone)}" if run.started_at else ""
            executor = executor_name(run.executor)
            return f"{has} been running its attempt {run.attempt}{started} on {executor}{stopping}"
        case RunStatus.RETRYING:
            failed = f"failed an attempt with {quoted(run.error)}" if run.error else "had an attempt released"
            due = f", due at {event_time(run.wake_at, zone)}" if run.wake_at else ""
            return f"{has} {failed} and {has} another one to come{due}"
        case RunStatus.WAITING:
            return f"{has} been waiting since {event_time(run.created_at, zone)}"
        case _:
            since = event_time(run.dispatched_at or run.created_at, zone)
            return f"{has} been in the queue {quoted(run.queue)} since {since}"
