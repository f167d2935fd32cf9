"""What becomes of the nominal times that are due: a run, or a skip with its reason, for each of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.events import Fact, JobFinished, OccurrencesSkipped
from duebook_common.domain.job.new_runs import DecisionContext, identity, open_run
from duebook_common.domain.job.overlap import ActiveRuns
from duebook_common.domain.job.state import Job, job_after
from duebook_common.domain.run.events import FirstEvent, RunFact, RunSkipped, Trigger, run_id_at
from duebook_common.domain.run.state import Run
from duebook_common.domain.schedule.due import Occurrence, next_occurrence, occurrences
from duebook_common.domain.schedule.nominal import count_between, last_between

_MOST = 1000  # runs in one decision; a job that has more due is decided again, so no decision takes long
_INSTANT = timedelta(microseconds=1)
_AT_ONCE = 100  # active runs of a job beside which its catch-up goes on: a day of downtime is no flood


@dataclass(frozen=True, slots=True)
class _Step:
    """Due occurrences in a row that share their fate: left out for a reason, or one that is to run."""

    occurrences: Sequence[Occurrence]
    reason: str | None = None
    trigger: Trigger = Trigger.SCHEDULE


def account(job: Job, active: Sequence[Run], terms: DecisionContext) -> list[Fact]:
    """Decide every nominal time from `job.next_at` on that is due, in order; `active` are the job's active runs.

    Due for longer than `misfire` it was missed, and the catch-up policy decides: `latest` runs the newest within the
    window, `all` every one of them, `none` none. The others run by the schedule, as the overlap policy allows. Where
    more than a thousand are to run, these are the first thousand; `all` goes on once some of its runs have ended.
    """
    decided: list[Fact] = [*_passed_over(job, terms)]
    rest = _after(job, decided)
    others, left = ActiveRuns(active), _left(job)
    due, more = _due(rest, terms, _most(job, others))
    steps = list(_steps(rest, due, more, terms))
    for n, step in enumerate(steps):
        if left == 0:
            break
        if step.reason is not None:
            decided.append(_skip(step.occurrences, step.reason, terms.now))
            continue
        if _must_wait(job, step, others):
            return decided
        facts = _begin_due(rest, step, others, terms)
        if n + 1 < len(steps):
            others.follow(facts)
        decided += facts
        left -= not isinstance(facts[-1].event, RunSkipped)
    if decided and (left == 0 or (not more and _next(decided[-1]) is None)):
        not_run = skip_due(_after(job, decided), "max_runs", terms.now)
        decided += [*not_run, JobFinished(at=terms.now)]
    return decided


def _passed_over(job: Job, terms: DecisionContext) -> list[OccurrencesSkipped]:
    """What was missed and will not be caught up, in one skip: counted, not looked at one by one.

    What jitter may have made due later is left for a closer look.
    """
    definition, catch_up = job.definition, job.definition.catch_up
    if job.exhausted:
        return skip_due(job, "max_runs", terms.now)
    oldest = terms.now - catch_up.window
    missed = terms.now - terms.misfire - (definition.jitter or timedelta(0)) - _INSTANT
    if catch_up.policy == "all":
        return _skip_until(job, min(missed, oldest - _INSTANT), "window", terms.now)
    newest = None if job.next_at is None or job.next_at > missed else last_between(definition, job.next_at, missed)
    if newest is None:
        return []
    if catch_up.policy == "none":
        return _skip_until(job, newest, "missed", terms.now)
    within = newest >= oldest
    return _skip_until(job, newest - _INSTANT if within else newest, "missed" if within else "window", terms.now)


def _most(job: Job, others: ActiveRuns) -> int:
    """How many times one decision looks at: where catching up pauses, few more than may run."""
    return max(1, _AT_ONCE - others.count) if job.definition.catch_up.policy == "all" else _MOST


def _left(job: Job) -> int:
    """How many further runs `max_runs` grants; negative where it sets no bound."""
    most = job.definition.max_runs
    return -1 if most is None else max(0, most - job.runs)


def _next(decided: Fact) -> datetime | None:
    event = decided.event if isinstance(decided, RunFact) else decided
    assert isinstance(event, FirstEvent | OccurrencesSkipped)
    return event.next_at


def _due(job: Job, terms: DecisionContext, most: int) -> tuple[list[Occurrence], bool]:
    """What is due, at most that many, and whether there is more.

    Whoever does not send the messages himself takes what jitter still holds back too: such a run wakes by itself.
    """
    found: list[Occurrence] = []
    if job.next_at is None:
        return found, False
    for occurrence in occurrences(job.id, job.definition, job.next_at):
        if (occurrence.due_at if terms.dispatch else occurrence.nominal_at) > terms.now:
            break
        if len(found) == most:
            return found, True
        found.append(occurrence)
    return found, False


def _steps(job: Job, due: Sequence[Occurrence], more: bool, terms: DecisionContext) -> Iterator[_Step]:
    missed = [each for each in due if each.due_at < terms.now - terms.misfire]
    superseded = more and len(missed) == len(due)  # the newest missed one is still to come
    catch_up = job.definition.catch_up
    wanted = {"none": [], "latest": [] if superseded else missed[-1:], "all": missed}[catch_up.policy]
    caught_up = [each for each in wanted if each.due_at >= terms.now - catch_up.window]
    skipped = missed[: len(missed) - len(caught_up)]
    if skipped:
        beyond = bool(wanted) and (catch_up.policy == "all" or not caught_up)
        yield _Step(skipped, "window" if beyond else "missed")
    for each in caught_up:
        yield _Step([each], None, Trigger.CATCH_UP)
    for each in due[len(missed) :]:
        yield _Step([each])


def _must_wait(job: Job, step: _Step, others: ActiveRuns) -> bool:
    """Whether catching up pauses here, until some of its runs have ended."""
    paced = step.trigger is Trigger.CATCH_UP and job.definition.catch_up.policy == "all"
    return paced and others.count >= _AT_ONCE


def _skip(left_out: Sequence[Occurrence], reason: str, now: datetime) -> OccurrencesSkipped:
    last = left_out[-1]
    return OccurrencesSkipped(
        first=left_out[0].nominal_at,
        last=last.nominal_at,
        count=len(left_out),
        reason=reason,
        next_at=last.next_at,
        next_due_at=last.next_due_at,
        at=now,
    )


def settle(job: Job, active: Sequence[Run], terms: DecisionContext, left_out: str | None) -> list[Fact]:
    """Account for all that is due before a person changes the job.

    What must wait is left out for the reason `left_out`, or stays due where that is None.
    """
    decided = account(job, active, terms)
    return decided if left_out is None else [*decided, *skip_due(_after(job, decided), left_out, terms.now)]


def skip_due(job: Job, reason: str, now: datetime) -> list[OccurrencesSkipped]:
    """One skip for all nominal times that have passed and will not run, as when the job was paused or is deleted."""
    return _skip_until(job, now, reason, now)


def _skip_until(job: Job, until: datetime, reason: str, now: datetime) -> list[OccurrencesSkipped]:
    if job.next_at is None or job.next_at > until:
        return []
    last = last_between(job.definition, job.next_at, until) or job.next_at
    count = count_between(job.definition, job.next_at, last)
    ahead = next_occurrence(job.id, job.definition, last)
    return [OccurrencesSkipped(first=job.next_at, last=last, count=count, reason=reason, at=now, **ahead._asdict())]


def _begin_due(job: Job, step: _Step, others: ActiveRuns, terms: DecisionContext) -> list[RunFact]:
    """The first event of an occurrence's run, behind what it does to others."""
    (occurrence,), definition = step.occurrences, job.definition
    run_id = run_id_at(job.id, occurrence.nominal_at)
    start_by = None if definition.start_within is None else occurrence.due_at + definition.start_within
    one_by_one = step.trigger is Trigger.CATCH_UP and definition.catch_up.policy == "all"
    overlap = definition.overlap
    if one_by_one and overlap is not Overlap.ALLOW_ALL:
        overlap = Overlap.BUFFER_ALL  # `all` means every one, in order
    if start_by is not None and terms.now > start_by:
        return [RunFact(run_id, RunSkipped(**identity(job, occurrence, step.trigger, terms), reason="deadline"))]
    return open_run(job, run_id, occurrence, step.trigger, overlap, others, terms, start_by=start_by)


def _after(job: Job, decided: Sequence[Fact]) -> Job:
    for fact in decided:
        job = job_after(job, fact)
    return job
