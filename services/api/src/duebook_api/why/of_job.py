"""Why a job does not run now, or when it will."""

from duebook_api.schedules.preview import description
from duebook_api.why.facts import Because, ExplainedRun, JobFacts, Why
from duebook_api.why.job_sentences import (
    CHANGED,
    DELETED,
    FINISHED,
    LEFT_OUT,
    PAUSED,
    RESUMED,
    happened,
    in_order,
    last,
)
from duebook_api.why.opening_sentences import occurrence
from duebook_api.why.phrases import are, capital, count, moment, span, told
from duebook_common.domain.job.state import Job, JobStatus


def explain(facts: JobFacts) -> Why:
    """How the job stands, with what led there."""
    steps, definition = facts.steps, facts.job.definition
    turn = last(steps, PAUSED, RESUMED, DELETED, FINISHED)
    said = in_order([steps[0], last(steps, CHANGED), last(steps, LEFT_OUT), turn], definition, facts.job.created_at)
    said.append(Because(f"Its schedule: {description(definition)}{_bounds(facts.job)}."))
    return Why(_answer(facts), [*said, *(_of_run(each, facts.zone) for each in facts.runs)])


def _of_run(each: ExplainedRun, zone: str) -> Because:
    run = each.run
    return Because(f"Run {run.id}, {occurrence(run, zone)}: {each.why.answer}", None, None, run.id)


def _bounds(job: Job) -> str:
    definition = job.definition
    end = f", until {told(definition.ends_at, definition.timezone)}" if definition.ends_at else ""
    if definition.max_runs is None:
        return end
    return f"{end}; it has had {job.runs} of the {count(definition.max_runs, 'run')} that max_runs grants"


def _answer(facts: JobFacts) -> str:
    """What is under way comes first: it is what somebody sees; then what the job itself waits for."""
    active = [each for each in facts.runs if each.run.active]
    if not active:
        return f"{capital(_itself(facts))}."
    first, *others = active
    beside = f", and so {are(len(others))} {count(len(others), 'other')}" if others else ""
    return f"Its run {first.run.id} is active{beside}. {first.why.answer} {capital(_itself(facts))}."


def _itself(facts: JobFacts) -> str:
    """How the job itself stands, as a clause."""
    match facts.job.status:
        case JobStatus.DELETED:
            turn = last(facts.steps, DELETED)
            return f"no further run starts, because {happened(turn, facts.zone) if turn else 'it was deleted'}"
        case JobStatus.PAUSED:
            turn = last(facts.steps, PAUSED)
            return (
                f"no run is due until it is resumed, because {happened(turn, facts.zone) if turn else 'it is paused'}"
            )
        case JobStatus.FINISHED:
            return f"the job has finished: {finished(facts.job)}{_how_it_ended(facts)}"
        case JobStatus.ACTIVE:
            return _following(facts)


def _how_it_ended(facts: JobFacts) -> str:
    """What became of its last run."""
    ended = next((each for each in facts.runs if not each.run.active), None)
    return f". Its last run: {ended.why.answer.removesuffix('.')}" if ended is not None else ""


def finished(job: Job) -> str:
    """Why there can be no further occurrence, as a clause."""
    definition, zone = job.definition, job.definition.timezone
    if job.exhausted:
        return f"it has had the {count(definition.max_runs or 0, 'run')} that its max_runs grants"
    if definition.recurrence == "none":
        return f"it was to run once, at {told(definition.scheduled_at, zone)}"
    if definition.ends_at is not None:
        return f"its schedule names no further time up to its end (ends_at), {told(definition.ends_at, zone)}"
    return "its schedule names no further time"


def _following(facts: JobFacts) -> str:
    """The job's next occurrence, or what holds it up, as a clause."""
    job, now = facts.job, facts.now
    assert job.next_at is not None
    due, named = job.next_due_at or job.next_at, told(job.next_at, facts.zone)
    if due > now:
        jitter = f" (jitter makes it due at {moment(due, facts.zone)})" if due > job.next_at else ""
        return f"the schedule next names {named}{jitter}, which is in {span(due - now)}"
    since = f"the occurrence of {named} has been due for {span(now - due)}"
    if job.definition.catch_up.policy == "all" and now - due > facts.misfire and facts.runs:
        return f"{since}; it was missed, and is made up for once enough of the job's runs have ended"
    return f"{since} and waits for a scheduler: they are away, or behind, or its queue is full"
