"""Why a run was made, and made as it was: its first event in words."""

from datetime import datetime, timedelta

from duebook_api.why.facts import Because, Circumstances
from duebook_api.why.phrases import capital, count, executor, moment, quoted, span, told
from duebook_common.domain.definition import Overlap
from duebook_common.domain.run.events import FirstEvent, RunBuffered, RunDispatched, RunSkipped, Trigger
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.durations import iso

_LATE = timedelta(seconds=1)
OVERLAP = {
    Overlap.SKIP: "an occurrence that is due beside an active run is left out",
    Overlap.BUFFER_ONE: "one occurrence waits for the active run to end, further ones are left out",
    Overlap.BUFFER_ALL: "occurrences wait for the active run to end, one after the other",
    Overlap.CANCEL_OTHER: "the active run is asked to stop, and the new one waits until it has",
    Overlap.TERMINATE_OTHER: "the active run is ended, and the new one starts at once",
    Overlap.ALLOW_ALL: "runs start beside each other",
}


def beginning(event: FirstEvent, actor: str, c: Circumstances) -> str:
    """What made the run, and what its first event decided."""
    return f"{_made(event, actor, c)}; {_placed(event, c)}."


def _made(event: FirstEvent, actor: str, c: Circumstances) -> str:
    named = told(event.nominal_at, c.zone)
    match event.trigger:
        case Trigger.MANUAL:
            return f"{capital(actor)} started it by hand at {moment(event.at, c.zone)}"
        case Trigger.BACKFILL:
            return f"{capital(actor)} asked to make up for the past time {named}"
        case Trigger.CATCH_UP:
            policy = f"and the catch-up policy is to run {_caught_up(c)}"
            if event.due_at < c.job.created_at:
                return f"The schedule names {named}{_jitter(event)}, which was past when the job was created, {policy}"
            late = f"but no scheduler came round until {span(event.at - event.due_at)} after that"
            missed = f"That is more than the {iso(c.misfire)} that still count as on time, so it was missed"
            return f"The schedule names {named}{_jitter(event)}, {late}. {missed}, {policy}"
        case _:
            return f"The schedule names {named}{_jitter(event)}"


def _jitter(event: FirstEvent) -> str:
    later = event.due_at - event.nominal_at
    return f" (jitter made it due {span(later)} later)" if later else ""


def _caught_up(c: Circumstances) -> str:
    return "every one that was missed" if c.definition.catch_up.policy == "all" else "the newest that was missed"


def _placed(event: FirstEvent, c: Circumstances) -> str:
    late = event.at - event.due_at
    when = f"at {moment(event.at, c.zone)}"
    if event.trigger is Trigger.SCHEDULE and late >= _LATE:
        when += f", {span(late)} late"
    match event:
        case RunSkipped(reason="overlap"):
            return f"when a scheduler came to it {when}, {_in_the_way(c)}, so it was left out"
        case RunSkipped(reason="deadline"):
            limit = c.definition.start_within
            within = f" of {iso(limit)}" if limit is not None else ""
            return f"when a scheduler came to it {when}, its start_within{within} was over, so it was left out"
        case RunSkipped():
            return f"it was left out {when} for the reason {quoted(event.reason)}"
        case RunBuffered(reason="overlap"):
            return f"{when}, {_in_the_way(c)}, so it had to wait"
        case RunBuffered():
            key = event.concurrency
            held = f" {quoted(key.key)}, which lets {count(key.limit, 'run')} go at once" if key else ""
            return f"{when}, it had to ask for a place under its concurrency key{held}"
        case RunDispatched(dispatch=0):
            return f"it was entered {when}, for the scheduler to send"
        case _:
            return f"it was sent to the queue {quoted(event.queue)} {when}"


def _in_the_way(c: Circumstances) -> str:
    overlap = c.definition.overlap
    return f"another run of this job was active (overlap policy {overlap}: {OVERLAP[overlap]})"


def in_the_way(other: Run, zone: str, *, then: bool) -> Because:
    """Another run of the job that stands, or stood then, in the way."""
    name = f"Run {other.id}, {occurrence(other, zone)},"
    return Because(f"{name} {_doing(other, zone, then=then)}.", _since(other) if then else None, None, other.id)


def occurrence(run: Run, zone: str) -> str:
    """Which run it is, to a reader who knows the job."""
    if run.trigger is Trigger.MANUAL:
        return f"started by hand at {moment(run.nominal_at, zone)}"
    return f"the occurrence of {told(run.nominal_at, zone)}"


def _since(run: Run) -> datetime:
    return run.started_at or run.created_at


def _doing(run: Run, zone: str, *, then: bool) -> str:
    had = "had" if then else "has"
    match run.status:
        case RunStatus.RUNNING:
            stop = f" and {had} been asked to stop" if run.cancel_requested else ""
            started = f" since {moment(run.started_at, zone)}" if run.started_at else ""
            return f"{had} been running its attempt {run.attempt}{started} on {executor(run.executor)}{stop}"
        case RunStatus.RETRYING:
            failed = f"an attempt that failed with {quoted(run.error)}" if run.error else "an attempt handed back"
            due = f", due at {moment(run.wake_at, zone)}" if run.wake_at else ""
            return f"{had} {failed} and a further one ahead{due}"
        case RunStatus.WAITING:
            return f"{had} been waiting since {moment(run.created_at, zone)}"
        case _:
            since = moment(run.dispatched_at or run.created_at, zone)
            return f"{had} been in the queue {quoted(run.queue)} since {since}"
