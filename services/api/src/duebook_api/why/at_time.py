"""Why a job ran at a time, did not, or will."""

from dataclasses import dataclass, replace
from datetime import datetime

from duebook_api.why.facts import Because, ExplainedRun, JobFacts, Step, Why
from duebook_api.why.job_sentences import (
    CHANGED,
    DELETED,
    FINISHED,
    PAUSED,
    RESUMED,
    happened,
    in_order,
    last,
    why_left_out,
)
from duebook_api.why.of_job import finished
from duebook_api.why.phrases import are, capital, count, moment, span, told
from duebook_common.domain.definition import Definition
from duebook_common.domain.job.state import JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTime:
    """What the schedule in force says of a time: `before` and `after` are its nearest others, `due_at` has jitter in.

    `version` is that of the event that holds the definition. `ahead` counts the occurrences still to come up to the
    time, itself included. `named_today` and `named_beyond`: only today's definition names it, or without `ends_at`.
    """

    at: datetime
    definition: Definition
    version: int
    named: bool
    before: datetime | None
    after: datetime | None
    due_at: datetime | None
    ahead: int
    named_today: bool
    named_beyond: bool

    @property
    def told(self) -> str:
        return told(self.at, self.definition.timezone)


def explain(facts: JobFacts, t: AtTime) -> Why:
    """What became of the time, by the definition in force then; runs for it come first."""
    if facts.runs:
        return _ran(facts)
    skip = next((s for s in facts.steps if s.first and s.last and s.first <= t.at <= s.last), None) if t.named else None
    if skip is not None:
        return _left_out(facts, t, skip)
    return _undecided(facts, t) if t.named else _not_named(facts, t)


def _ran(facts: JobFacts) -> Why:
    """All runs of the time, their histories merged as the log has them."""
    said = [replace(b, run_id=b.run_id or each.run.id) for each in facts.runs for b in each.why.because]
    past = sorted((b for b in said if b.at is not None), key=lambda b: b.place)
    first, *more = facts.runs
    answer = first.why.answer + "".join(map(_besides, more))
    return Why(answer, [*past, *(b for b in said if b.at is None)])


def _besides(each: ExplainedRun) -> str:
    made = {"manual": "started by hand", "backfill": "made to make up for it"}.get(each.run.trigger, each.run.trigger)
    return f" There is also run {each.run.id}, {made}: {each.why.answer}"


def _left_out(facts: JobFacts, t: AtTime, skip: Step) -> Why:
    cause, reason = _cause(facts, skip), why_left_out(skip, t.definition, facts.job.created_at)
    if cause is not None:
        reason = happened(cause, facts.zone)
    return Why(
        f"It did not run, because {reason}.",
        in_order([_defined(facts, t), cause, skip], t.definition, facts.job.created_at),
    )


def _cause(facts: JobFacts, skip: Step) -> Step | None:
    """The order of a person behind the skip: recorded right after it, or for a pause that went on before it."""
    following = next(
        (s for s in facts.steps if s.version > skip.version and s.type in {PAUSED, DELETED, CHANGED}), None
    )
    if skip.reason != "paused":
        return following if skip.reason in {"deleted", "changed"} else None
    turn = last(facts.steps, PAUSED, RESUMED, before=skip.version)
    return turn if turn is not None and turn.type == PAUSED else following


def _defined(facts: JobFacts, t: AtTime) -> Step | None:
    return next((s for s in facts.steps if s.version == t.version), None)


def _undecided(facts: JobFacts, t: AtTime) -> Why:
    """The schedule names the time, and nothing was decided about it."""
    turn = last(facts.steps, PAUSED, DELETED, FINISHED)
    said = in_order([_defined(facts, t), turn], t.definition, facts.job.created_at)
    will = "will come" if t.at > facts.now else "came"
    match facts.job.status:
        case JobStatus.DELETED if turn is not None:
            return Why(f"No run of it {will}, because {happened(turn, facts.zone)}.", said)
        case JobStatus.FINISHED:
            return Why(f"No run of it {will}, because the job has finished: {finished(facts.job)}.", said)
        case JobStatus.PAUSED if turn is not None:
            unless = "It will not run unless the job is resumed before" if t.at > facts.now else "It does not run"
            return Why(f"{unless}, because {happened(turn, facts.zone)}.", said)
        case _:
            return _awaited(facts, t)


def _awaited(facts: JobFacts, t: AtTime) -> Why:
    job, due = facts.job, t.due_at or t.at
    said = in_order([_defined(facts, t)], t.definition, facts.job.created_at)
    before = f"{count(t.ahead - 1, 'occurrence')} of the job {are(t.ahead - 1)} to come before it"
    left = None if job.definition.max_runs is None else job.definition.max_runs - job.runs
    if left is not None and t.ahead > left:
        grants = f"max_runs grants only {count(left, 'further run')}"
        return Why(f"It will hardly run, because {before}, and {grants}.", said)
    if t.ahead > 1:
        said.append(Because(f"{before}."))
    jitter = f" (jitter makes it due at {moment(due, facts.zone)})" if due > t.at else ""
    if due > facts.now:
        return Why(f"It lies ahead: the schedule names {t.told}{jitter}, which is in {span(due - facts.now)}.", said)
    waits = "waits for a scheduler: they are away, or behind, or its queue is full"
    return Why(f"It has been due for {span(facts.now - due)}{jitter} and {waits}.", said)


def _not_named(facts: JobFacts, t: AtTime) -> Why:
    zone, created, deleted = t.definition.timezone, facts.steps[0], last(facts.steps, DELETED)
    changed = last(facts.steps, CHANGED) if t.named_today else None
    gone = deleted if deleted is not None and t.at > deleted.at else None
    said = in_order([created, _defined(facts, t), changed, gone], t.definition, facts.job.created_at)
    if t.at < created.at:
        first = f"; its first time is {told(t.after, zone)}" if t.after else ""
        return Why(f"The job did not exist then: {happened(created, zone)}{first}.", said)
    if t.named_beyond and t.definition.ends_at is not None:
        return Why(
            f"The schedule does not go on until {t.told}: it ends at {told(t.definition.ends_at, zone)} (ends_at).",
            said,
        )
    near = [told(time, zone) for time in (t.before, t.after) if time is not None]
    nearest = f"the nearest {are(len(near))} {' and '.join(near)}" if near else "it names none near it"
    unnamed = f"the schedule in force then named no time at {t.told} ({nearest})"
    if changed is not None:
        return Why(f"{capital(unnamed)}, though today's does: {happened(changed, zone)}.", said)
    if gone is not None:
        return Why(f"{capital(unnamed)}, and the job was gone: {happened(gone, zone)}.", said)
    return Why(f"The schedule names no time at {t.told}; {nearest}.", said)
