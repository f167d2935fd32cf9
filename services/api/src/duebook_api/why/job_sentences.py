"""What happened to a job, a sentence for each event of its stream."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from duebook_api.why.facts import Because, Step
from duebook_api.why.phrases import because, capital, count, moment, quoted, told, who
from duebook_common.domain.definition import Definition
from duebook_common.runtime.durations import iso

CREATED, CHANGED, PAUSED, RESUMED = "JobCreated", "JobChanged", "JobPaused", "JobResumed"
DELETED, FINISHED, LEFT_OUT = "JobDeleted", "JobFinished", "OccurrencesSkipped"


def last(steps: Sequence[Step], *types: str, before: int | None = None) -> Step | None:
    """The latest event of these types, or the latest before that version."""
    return next((s for s in reversed(steps) if s.type in types and (before is None or s.version < before)), None)


def in_order(steps: Iterable[Step | None], definition: Definition, created: datetime) -> list[Because]:
    """The events that there are in words, each once, oldest first; `definition` as the answer goes by it."""
    chosen = {each.version: each for each in steps if each is not None}
    return [_sentence(chosen[version], definition, created) for version in sorted(chosen)]


def _sentence(step: Step, definition: Definition, created: datetime) -> Because:
    says = _left_out(step, definition, created) if step.type == LEFT_OUT else happened(step, definition.timezone)
    return Because(f"{capital(says)}.", step.at, step.type)


def happened(step: Step, zone: str) -> str:
    """Who did what and when, as a clause."""
    at, actor = f"at {moment(step.at, zone)}", who(step.actor)
    match step.type:
        case "JobCreated":
            return f"{actor} created the job {at}"
        case "JobChanged":
            return f"{actor} changed the job's definition {at}"
        case "JobPaused" if actor in {"the executor", "the scheduler"}:  # as pause_on_failure asks for
            return f"the job was paused by a failure {at}{because(step.reason)}"
        case "JobPaused":
            return f"{actor} paused the job {at}{because(step.reason)}"
        case "JobResumed":
            return f"{actor} let the job go on {at}{because(step.reason)}"
        case "JobDeleted":
            return f"{actor} deleted the job {at}"
        case _:
            return f"the job finished {at}, since it can have no further occurrence"


def _left_out(step: Step, definition: Definition, created: datetime) -> str:
    assert step.first is not None
    assert step.last is not None
    first, latest = told(step.first, definition.timezone), told(step.last, definition.timezone)
    which = f"the occurrence of {latest} was"
    if step.count != 1:
        which = f"{count(step.count or 0, 'occurrence')}, from {first} to {latest}, were"
    return f"{which} left out, because {why_left_out(step, definition, created)}"


def why_left_out(step: Step, definition: Definition, created: datetime) -> str:
    """The reason of a skip as a clause."""
    catch_up, away = definition.catch_up, "no scheduler came round in time"
    if step.last is not None and step.last < created:
        away = "that was past when the job was created"
    match step.reason:
        case "paused":
            return "the job was paused then"
        case "missed" if catch_up.policy == "none":
            return f"{away}, and the job's catch-up policy (none) makes up for nothing"
        case "missed":
            return f"{away}, and the job's catch-up policy (latest) runs only the newest one that was missed"
        case "window":
            return f"{away}, and it lay outside the job's catch-up window of {iso(catch_up.window)} then"
        case "max_runs":
            return f"the job had had the {count(definition.max_runs or 0, 'run')} that its max_runs grants"
        case "deleted":
            return "the job was deleted before a scheduler came to it"
        case "changed":
            return "the job's schedule was changed before it could run"
        case _:
            return f"of the reason {quoted(step.reason or '')}"
