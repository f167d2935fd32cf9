"""Explains why a job does not run now, or when it will."""

from duebook_api.schedules.preview import description
from duebook_api.schemas.phrases import (
    WAITS_FOR_SCHEDULER,
    capitalized,
    exact_time,
    is_or_are,
    jitter_text,
    pause_clause,
)
from duebook_api.why.facts import Cause, ExplainedRun, Explanation, JobContext
from duebook_api.why.job_sentences import (
    CHANGED,
    DELETED,
    ERASED,
    FINISHED,
    PAUSED,
    RESUMED,
    SKIPPED,
    event_clause,
    job_causes,
    latest,
)
from duebook_api.why.opening_sentences import run_label
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.runtime.phrases import duration, quantity


def explain(context: JobContext) -> Explanation:
    """The job's present state, and the events that led to it."""
    events, job = context.events, context.job
    last_command = latest(events, PAUSED, RESUMED, DELETED, FINISHED)
    causes = job_causes(
        [events[0], latest(events, CHANGED), latest(events, SKIPPED), last_command, latest(events, ERASED)],
        job.definition,
        job.created_at,
    )
    causes.append(Cause(f"Its schedule: {description(job.definition)}{_bounds(job)}."))
    return Explanation(_answer(context), [*causes, *(_run_cause(each, context.zone) for each in context.runs)])


def _run_cause(explained: ExplainedRun, zone: str) -> Cause:
    run = explained.run
    return Cause(f"Run {run.id}, {run_label(run, zone)}: {explained.explanation.answer}", run_id=run.id)


def _bounds(job: Job) -> str:
    definition = job.definition
    end = f", until {exact_time(definition.ends_at, definition.timezone)}" if definition.ends_at else ""
    if definition.max_runs is None:
        return end
    return f"{end}; it has used {job.runs} of the {quantity(definition.max_runs, 'run')} that max_runs allows"


def _answer(context: JobContext) -> str:
    """The active run first, because it is what a user sees; then what the job itself waits for."""
    active = [each for each in context.runs if each.run.active]
    if not active:
        return f"{capitalized(_job_clause(context))}."
    first, *others = active
    more = f", and so {is_or_are(len(others))} {quantity(len(others), 'other')}" if others else ""
    return f"Its run {first.run.id} is active{more}. {first.explanation.answer} {capitalized(_job_clause(context))}."


def _job_clause(context: JobContext) -> str:
    """The state of the job itself, as a clause."""
    match context.job.status:
        case JobStatus.DELETED:
            event = latest(context.events, DELETED)
            reason = event_clause(event, context.zone) if event else "the job is deleted"
            return f"no further run will start, because {reason}"
        case JobStatus.PAUSED:
            event = latest(context.events, PAUSED)
            reason = event_clause(event, context.zone) if event else "the job is paused"
            return f"no run is due until the job is resumed, because {reason}"
        case JobStatus.FINISHED:
            return f"the job has finished: {finished_clause(context.job)}{_last_run(context)}"
        case JobStatus.ACTIVE:
            return _next_occurrence(context)


def _last_run(context: JobContext) -> str:
    ended = next((each for each in context.runs if not each.run.active), None)
    return f". Its last run: {ended.explanation.answer.removesuffix('.')}" if ended is not None else ""


def finished_clause(job: Job) -> str:
    """Why the job has no further occurrence, as a clause."""
    definition, zone = job.definition, job.definition.timezone
    if job.exhausted:
        return f"it has used the {quantity(definition.max_runs or 0, 'run')} that max_runs allows"
    if definition.recurrence == "none":
        return f"it was to run once, at {exact_time(definition.scheduled_at, zone)}"
    if definition.ends_at is not None:
        return f"its schedule has no further time until its end (ends_at), {exact_time(definition.ends_at, zone)}"
    return "its schedule has no further time"


def _next_occurrence(context: JobContext) -> str:
    """The job's next occurrence, and if it is overdue what it waits for, as a clause."""
    job, now = context.job, context.now
    assert job.next_at is not None
    due, nominal_at = job.next_due_at or job.next_at, exact_time(job.next_at, context.zone)
    if due > now:
        jitter = jitter_text(due, context.zone) if due > job.next_at else ""
        paused = f"; {pause_clause(context.queue_pause, context.zone)}" if context.queue_pause is not None else ""
        return f"the next occurrence is at {nominal_at}{jitter}, which is in {duration(due - now)}{paused}"
    overdue = f"the occurrence of {nominal_at} has been due for {duration(now - due)}"
    if context.queue_pause is not None:
        return f"{overdue}, and waits: {pause_clause(context.queue_pause, context.zone)}"
    if job.definition.catch_up.policy == "all" and now - due > context.misfire and context.runs:
        return f"{overdue}; it was missed, and is caught up when enough of the job's runs have ended"
    return f"{overdue} and {WAITS_FOR_SCHEDULER}"
