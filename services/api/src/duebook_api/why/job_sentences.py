"""What happened to a job: a sentence for each event of its stream."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from duebook_api.schemas.phrases import acting, capitalized, event_time, exact_time, quoted, with_reason
from duebook_api.why.facts import Cause, JobEventSummary
from duebook_common.domain.definition import Definition
from duebook_common.runtime.phrases import exact_duration, quantity

CREATED, CHANGED, PAUSED, RESUMED = "JobCreated", "JobChanged", "JobPaused", "JobResumed"
DELETED, ERASED, FINISHED, SKIPPED = "JobDeleted", "JobErased", "JobFinished", "OccurrencesSkipped"


def latest(events: Sequence[JobEventSummary], *types: str, before: int | None = None) -> JobEventSummary | None:
    """The latest event of these types, if given only of those before that stream version."""
    return next((e for e in reversed(events) if e.type in types and (before is None or e.version < before)), None)


def job_causes(events: Iterable[JobEventSummary | None], definition: Definition, created_at: datetime) -> list[Cause]:
    """A sentence for each of the events that are not None, once and oldest first.

    `definition` is the one that explains why occurrences were skipped; its zone is that of the times.
    """
    by_version = {event.version: event for event in events if event is not None}
    return [_cause(by_version[version], definition, created_at) for version in sorted(by_version)]


def _cause(event: JobEventSummary, definition: Definition, created_at: datetime) -> Cause:
    if event.type == SKIPPED:
        clause = _skip_clause(event, definition, created_at)
    else:
        clause = event_clause(event, definition.timezone)
    return Cause(f"{capitalized(clause)}.", event.at, event.type)


def event_clause(  # noqa: PLR0911 - one case for each event
    event: JobEventSummary, zone: str
) -> str:
    """Who did what and when, as a clause: "API key “ops” paused the job at …"."""
    at, actor = f"at {event_time(event.at, zone)}", acting(event.actor, event.bulk)
    match event.type:
        case "JobCreated":
            return f"{actor} created the job {at}"
        case "JobChanged":
            return f"{actor} changed the job's definition {at}"
        case "JobPaused" if actor in {"the executor", "the scheduler"}:  # by pause_on_failure
            return f"a failure paused the job {at}{with_reason(event.reason)}"
        case "JobPaused":
            held = " and held its runs" if event.hold else ""
            return f"{actor} paused the job{held} {at}{with_reason(event.reason)}"
        case "JobResumed":
            return f"{actor} resumed the job {at}{with_reason(event.reason)}"
        case "FollowUpRefused":
            return f"the end of a run triggered nothing {at}{with_reason(event.reason)}"
        case "JobDeleted":
            return f"{actor} deleted the job {at}{with_reason(event.bulk_reason) if event.bulk_reason else ''}"
        case "JobErased":
            return f"{actor} erased what the job and its runs held {at}{with_reason(event.reason)}"
        case _:
            return f"the job finished {at}, because it has no further occurrence"


def _skip_clause(event: JobEventSummary, definition: Definition, created_at: datetime) -> str:
    assert event.first is not None
    assert event.last is not None
    first, last = exact_time(event.first, definition.timezone), exact_time(event.last, definition.timezone)
    occurrences = f"the occurrence of {last} was"
    if event.count != 1:
        occurrences = f"{quantity(event.count or 0, 'occurrence')}, from {first} to {last}, were"
    return f"{occurrences} skipped, because {skip_reason(event, definition, created_at)}"


def skip_reason(event: JobEventSummary, definition: Definition, created_at: datetime) -> str:
    """Why occurrences were skipped, as a clause."""
    catch_up, late = definition.catch_up, "the schedulers were late"
    if event.last is not None and event.last < created_at:
        late = "the job was created after that"
    match event.reason:
        case "paused":
            return "the job was paused"
        case "missed" if catch_up.policy == "none":
            return f"{late}, and the job's catch-up policy (none) runs no missed occurrence"
        case "missed":
            latest = "runs only the newest missed occurrence, and none where another one is on time"
            return f"{late}, and the job's catch-up policy (latest) {latest}"
        case "window":
            return f"{late}, and the job's catch-up window of {exact_duration(catch_up.window)} was over"
        case "max_runs":
            return f"the job had used the {quantity(definition.max_runs or 0, 'run')} that max_runs allows"
        case "deleted":
            return "the job was deleted before it could run"
        case "changed":
            return "the job's schedule was changed before it could run"
        case _:
            return f"the recorded reason is {quoted(event.reason or '')}"
