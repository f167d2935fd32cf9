"""Why a run ran, did not, or waits."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from duebook_api.why.facts import Because, Circumstances, ExplainedRun, Why
from duebook_api.why.now import standing
from duebook_api.why.opening_sentences import OVERLAP, beginning, in_the_way
from duebook_api.why.phrases import are, because, capital, count, executor, moment, quoted, span, who
from duebook_api.why.run_sentences import DELETED, MADE_WAY, happening
from duebook_common.domain.run.events import FirstEvent
from duebook_common.domain.run.state import Run, RunStatus, evolve, opened
from duebook_common.store.eventstore import RecordedEvent

_STARTED_ANEW = {
    "AttemptReleased": "the executor that had it was stopping, and handed it back",
    "RunRedriven": "it was given up, and somebody had it tried again",
}
_FIRST, _LATEST = 5, 95  # of a long history


def explain(run_id: UUID, recorded: Sequence[RecordedEvent], c: Circumstances) -> ExplainedRun:
    """The run by its whole stream, every event with its sentence."""
    first, *later = recorded
    event = first.event
    assert isinstance(event, FirstEvent)
    run = opened(run_id, event)
    said = [replace(in_the_way(other, c.zone, then=True), place=_place(first)) for other in c.met]
    said.append(_told(first, beginning(event, _who(first), c)))
    for item in later:
        said.append(_told(item, happening(run, item.event, _who(item), c)))  # type: ignore[arg-type]
        run = evolve(run, item.event)  # type: ignore[arg-type]
    return ExplainedRun(run=run, why=Why(_answer(run, recorded, c), [*_shortened(said), *standing(run, c)]))


def _told(item: RecordedEvent, says: str) -> Because:
    at: datetime = item.event.at
    return Because(says, at, item.type, place=_place(item))


def _who(item: RecordedEvent) -> str:
    return who(item.meta["actor"])


def _place(item: RecordedEvent) -> tuple[int, int]:
    return item.xid, item.position


def _shortened(said: list[Because]) -> list[Because]:
    left_out = len(said) - _FIRST - _LATEST
    if left_out <= 1:
        return said
    note = Because(f"{count(left_out, 'further event')} are left out here; the run's events have them all.")
    return [*said[:_FIRST], note, *said[-_LATEST:]]


def _answer(run: Run, recorded: Sequence[RecordedEvent], c: Circumstances) -> str:
    at = moment(run.finished_at, c.zone) if run.finished_at else ""
    match run.status:
        case RunStatus.SUCCEEDED:
            return f"It ran, and succeeded at {at} in its {_ordinal(run.attempt)} attempt."
        case RunStatus.RUNNING:
            stop = ", and has been asked to stop" if run.cancel_requested else ""
            started = moment(run.started_at, c.zone) if run.started_at else ""
            attempt = f"its {_ordinal(run.attempt)} attempt started at {started} on {executor(run.executor)}"
            return f"It is running: {attempt}{stop}."
        case RunStatus.DEAD_LETTERED:
            failures = f"{count(run.failures, 'failure')}, the last of them {quoted(run.error or '')}"
            return f"It was given up at {at} after {failures}, and rests as a dead letter until somebody decides."
        case RunStatus.DISCARDED:
            by = _who(recorded[-1])
            return f"It failed with {quoted(run.error or '')}, and {by} discarded it at {at}{because(run.reason)}."
        case RunStatus.CANCELLED:
            return _cancelled(run, recorded, at)
        case RunStatus.SKIPPED:
            return _skipped(run, c)
        case RunStatus.WAITING:
            return _waiting(run, c)
        case RunStatus.RETRYING:
            return _retrying(run, recorded[-1].type, c)
        case RunStatus.DISPATCHED:
            return _dispatched(run, c)


def _ordinal(number: int) -> str:
    words = ("first", "second", "third", "fourth", "fifth")
    return words[number - 1] if 0 < number <= len(words) else f"{number}."


def _cancelled(run: Run, recorded: Sequence[RecordedEvent], at: str) -> str:
    """By whom: whoever asked for it, where it was asked to stop first."""
    reason = run.reason or ""
    if reason.startswith(MADE_WAY):
        return f"It was cancelled at {at}: it {reason}."
    if reason == DELETED:
        return f"It was cancelled at {at}, because the job was deleted."
    asked = next((item for item in reversed(recorded) if item.type == "RunCancelRequested"), recorded[-1])
    return f"{capital(_who(asked))} cancelled it{because(run.reason)}; that was done at {at}."


def _skipped(run: Run, c: Circumstances) -> str:
    match run.reason:
        case "overlap":
            other, overlap = f"run {c.met[0].id}" if c.met else "another run", c.definition.overlap
            policy = f"overlap policy {overlap}: {OVERLAP[overlap]}"
            return f"It did not run, because {other} of the same job was still active when it was due ({policy})."
        case "deadline":
            by = f" by {moment(run.start_by, c.zone)}" if run.start_by else ""
            return f"It did not run, because it could not start{by}, within its start_within; later it is not wanted."
        case _:
            return f"It did not run, for the reason {quoted(run.reason or '')}."


def _waiting(run: Run, c: Circumstances) -> str:
    if c.others:
        more = len(c.others) - 1
        others = f"run {c.others[0].id}" + (f" and {count(more, 'further run')}" if more else "")
        return f"It waits until {others} of the same job {'have' if more else 'has'} ended."
    if run.concurrency is not None and c.key is not None and c.key.held >= run.concurrency.limit:
        taken = f"{c.key.held} of {count(run.concurrency.limit, 'place')} {are(c.key.held)} taken"
        before = f"{count(c.key.before, 'run')} {are(c.key.before)} before it in the row"
        return f"It waits for a place under the concurrency key {quoted(run.concurrency.key)}: {taken}, and {before}."
    return "It is free to go, and waits for a scheduler to send it to its queue."


def _retrying(run: Run, last: str, c: Circumstances) -> str:
    ahead = run.wake_at - c.now if run.wake_at is not None else timedelta(0)
    when = f"in {span(ahead)}, at {moment(c.now + ahead, c.zone)}" if ahead > timedelta(0) else "which is due"
    if last in _STARTED_ANEW:
        return f"It waits to be started again, {when}: {_STARTED_ANEW[last]}."
    used = f"{run.failures} of {count(run.max_attempts, 'attempt')} {are(run.failures)} used"
    failed = f"attempt {run.attempt} failed with {quoted(run.error or '')}"
    return f"It waits for its next attempt, {when}: {failed}, and {used}."


def _dispatched(run: Run, c: Circumstances) -> str:
    if run.dispatch == 0:
        ahead = run.due_at - c.now
        if ahead > timedelta(0):
            return f"It is not due yet, but in {span(ahead)}, at {moment(run.due_at, c.zone)}."
        return "It is due, and waits for a scheduler to send it to its queue."
    ahead_of_it = c.line.ahead if c.line else 0
    behind = f"{count(ahead_of_it, 'run')} {are(ahead_of_it)} ahead of it" if ahead_of_it else "no run is ahead of it"
    unknown = (
        f", and no executor is known that has the task {quoted(run.task)}" if c.line and not c.line.task_seen_at else ""
    )
    return f"It waits in the queue {quoted(run.queue)} for an executor: {behind}{unknown}."
