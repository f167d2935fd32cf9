"""Explains why a job ran at a time, did not, or will."""

from dataclasses import replace

from duebook_api.schemas.phrases import (
    WAITS_FOR_SCHEDULER,
    capitalized,
    exact_time,
    is_or_are,
    jitter_text,
    pause_clause,
)
from duebook_api.why.facts import Cause, ExplainedRun, Explanation, JobContext, JobEventSummary, TimeContext
from duebook_api.why.job_sentences import (
    CHANGED,
    DELETED,
    FINISHED,
    PAUSED,
    RESUMED,
    event_clause,
    job_causes,
    latest,
    skip_reason,
)
from duebook_api.why.of_job import finished_clause
from duebook_common.domain.job.state import JobStatus
from duebook_common.runtime.phrases import duration, quantity

_TRIGGERS = {
    "manual": "triggered by a client",
    "backfill": "a backfill",
    "rerun": "a repetition",
    "follow_up": "a follow-up",
}


def explain(context: JobContext, time: TimeContext) -> Explanation:
    """The runs of the time if it has any, else why it has none by the definition in force then."""
    if context.runs:
        return _explain_runs(context)
    if not time.is_nominal:
        return _explain_not_nominal(context, time)
    skip = next((e for e in context.events if e.first and e.last and e.first <= time.at <= e.last), None)
    return _explain_undecided(context, time) if skip is None else _explain_skip(context, time, skip)


def _explain_runs(context: JobContext) -> Explanation:
    """All runs of the time, their causes merged in the order of the log."""
    causes = [
        replace(cause, run_id=cause.run_id or each.run.id) for each in context.runs for cause in each.explanation.causes
    ]
    past = sorted((cause for cause in causes if cause.at is not None), key=lambda cause: cause.position)
    first, *more = context.runs
    answer = first.explanation.answer + "".join(map(_further_run, more))
    return Explanation(answer, [*past, *(cause for cause in causes if cause.at is None)])


def _further_run(each: ExplainedRun) -> str:
    trigger = _TRIGGERS.get(each.run.trigger, each.run.trigger)
    return f" There is also run {each.run.id}, {trigger}: {each.explanation.answer}"


def _explain_skip(context: JobContext, time: TimeContext, skip: JobEventSummary) -> Explanation:
    command = _command_behind(context, skip)
    if command is None:
        reason = skip_reason(skip, time.definition, context.job.created_at)
    else:
        reason = event_clause(command, context.zone)
    return Explanation(f"It did not run, because {reason}.", _causes(context, time, command, skip))


def _command_behind(context: JobContext, skip: JobEventSummary) -> JobEventSummary | None:
    """The client's command that caused the skip: recorded right after it, or a pause that began before it."""
    following = next(
        (e for e in context.events if e.version > skip.version and e.type in {PAUSED, DELETED, CHANGED}), None
    )
    if skip.reason != "paused":
        return following if skip.reason in {"deleted", "changed"} else None
    before = latest(context.events, PAUSED, RESUMED, before=skip.version)
    return before if before is not None and before.type == PAUSED else following


def _causes(context: JobContext, time: TimeContext, *events: JobEventSummary | None) -> list[Cause]:
    """Sentences for the event that holds the definition in force at the time, and for the given events."""
    defined = next((event for event in context.events if event.version == time.definition_version), None)
    return job_causes([defined, *events], time.definition, context.job.created_at)


def _explain_undecided(context: JobContext, time: TimeContext) -> Explanation:
    """The time is nominal, and no event decides about it."""
    command = latest(context.events, PAUSED, DELETED, FINISHED)
    causes, is_future = _causes(context, time, command), time.at > context.now
    not_run = "It will not run" if is_future else "It did not run"
    match context.job.status:
        case JobStatus.DELETED if command is not None:
            return Explanation(f"{not_run}, because {event_clause(command, context.zone)}.", causes)
        case JobStatus.FINISHED | JobStatus.PAUSED if context.job.next_at is None:
            return Explanation(f"{not_run}, because the job has finished: {finished_clause(context.job)}.", causes)
        case JobStatus.PAUSED if command is not None:
            unless = " unless the job is resumed before" if is_future else ""
            return Explanation(f"{not_run}{unless}, because {event_clause(command, context.zone)}.", causes)
        case _:
            return _explain_pending(context, time)


def _explain_pending(context: JobContext, time: TimeContext) -> Explanation:
    """The occurrence is to come, or waits for a scheduler."""
    job, now, due_at, causes = context.job, context.now, time.due_at or time.at, _causes(context, time)
    earlier = time.occurrences_left - 1
    comes_first = f"{quantity(earlier, 'occurrence')} of the job {is_or_are(earlier)} to come before it"
    runs_left = None if job.definition.max_runs is None else job.definition.max_runs - job.runs
    if runs_left is not None and time.occurrences_left > runs_left:
        allowed = f"max_runs allows only {quantity(runs_left, 'further run')}"
        return Explanation(f"It will probably not run, because {comes_first}, and {allowed}.", causes)
    if earlier > 0:
        causes.append(Cause(f"{comes_first}."))
    jitter = jitter_text(due_at, context.zone) if due_at > time.at else ""
    if context.queue_pause is not None:
        causes.append(Cause(f"{capitalized(pause_clause(context.queue_pause, context.zone))}."))
    if due_at > now:
        nominal_at = exact_time(time.at, time.definition.timezone)
        return Explanation(f"It is scheduled for {nominal_at}{jitter}, which is in {duration(due_at - now)}.", causes)
    due = f"It has been due for {duration(now - due_at)}{jitter}"
    if context.queue_pause is not None:
        paused = pause_clause(context.queue_pause, context.zone)
        return Explanation(f"{due}, and runs once that is over: {paused}.", causes)
    return Explanation(f"{due} and {WAITS_FOR_SCHEDULER}.", causes)


def _explain_not_nominal(context: JobContext, time: TimeContext) -> Explanation:
    created = context.events[0]
    changed = latest(context.events, CHANGED) if time.is_nominal_today else None
    deleted = latest(context.events, DELETED)
    if deleted is not None and time.at <= deleted.at:
        deleted = None
    answer = _not_nominal_answer(context, time, changed, deleted)
    return Explanation(answer, _causes(context, time, created, changed, deleted))


def _not_nominal_answer(
    context: JobContext, time: TimeContext, changed: JobEventSummary | None, deleted: JobEventSummary | None
) -> str:
    zone, created = time.definition.timezone, context.events[0]
    at = exact_time(time.at, zone)
    if time.at < created.at:
        first = f"; its first time is {exact_time(time.after, zone)}" if time.after else ""
        return f"The job did not exist then: {event_clause(created, zone)}{first}."
    if time.is_after_end and time.definition.ends_at is not None:
        return f"The schedule ends at {exact_time(time.definition.ends_at, zone)} (ends_at), before {at}."
    then = f"The schedule in force then did not include {at} ({_nearest(time)})"
    if changed is not None:
        return f"{then}, though the present one does: {event_clause(changed, zone)}."
    if deleted is not None:
        return f"{then}, and the job was deleted by then: {event_clause(deleted, zone)}."
    return f"The schedule does not include {at}; {_nearest(time)}."


def _nearest(time: TimeContext) -> str:
    near = [exact_time(each, time.definition.timezone) for each in (time.before, time.after) if each is not None]
    match near:
        case []:
            return "it has no time near that"
        case [only]:
            return f"the nearest time is {only}"
        case _:
            return f"the nearest times are {' and '.join(near)}"
