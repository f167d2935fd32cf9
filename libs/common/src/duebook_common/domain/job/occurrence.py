"""The decision about the due nominal times of a job: a run, or a skip with its reason, for each of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.backlog import joins_backlog
from duebook_common.domain.job.commands import DecisionContext
from duebook_common.domain.job.events import Fact, JobFinished, OccurrencesSkipped
from duebook_common.domain.job.lateness import Lateness, lateness
from duebook_common.domain.job.new_runs import NewRun, open_run, run_identity
from duebook_common.domain.job.overlap import ActiveRuns
from duebook_common.domain.job.state import Job, JobStatus, job_after
from duebook_common.domain.run.events import FirstEvent, RunFact, RunSkipped, Trigger
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.run.state import Run
from duebook_common.domain.schedule.due import Occurrence, next_occurrence, occurrences
from duebook_common.domain.schedule.nominal import count_between, last_between

_MAX_DUE = 1000  # occurrences in one decision, so that none takes long; the job stays due for the others
MAX_CATCHING_UP = 100  # active runs of a job at which its catch-up pauses: a day of downtime must not flood a queue
_INSTANT = timedelta(microseconds=1)


def account(job: Job, active: Sequence[Run], context: DecisionContext) -> list[Fact]:
    """Decide every due nominal time from `job.next_at` on, in order. `active` are the job's active runs.

    An occurrence that has been due for longer than `misfire` is missed, and the catch-up policy decides: within its
    window `latest` runs the newest unless another one is on time, `all` runs each, `none` runs none. Every other
    occurrence runs by the schedule. The overlap policy applies to each run, but caught-up runs leave out none: see
    `backlog`. Occurrences beyond the first thousand stay due, and so do those of a backlog while too many runs of the
    job are active.
    """
    others = ActiveRuns(active)
    late = lateness(job, others, context, min(MAX_CATCHING_UP, context.max_active))
    skipped = _skip_in_bulk(job, late, context)
    remaining = job_after(job, skipped)
    due, more = _due(remaining, context, _max_due(job, others, late))
    groups = list(_grouped(remaining, due, late, context, more=more))
    decided = [*skipped, *_open_runs(remaining, groups, others, context)]
    return [*decided, *_finish(job, decided, context.now)]


def kept_back(job: Job, active: Sequence[Run], context: DecisionContext) -> bool:
    """Whether a pause of the job's queue kept back what is due, or what is due belongs to the backlog of a pause."""
    if job.wake_at is None or job.wake_at > context.now:
        return False
    late = lateness(job, ActiveRuns(active), context, min(MAX_CATCHING_UP, context.max_active))
    return any(each.start <= context.now and job.wake_at < each.end for each in late.kept)


# Phase 1: skip missed occurrences in one range, without looking at each.


def _skip_in_bulk(job: Job, late: Lateness, context: DecisionContext) -> list[OccurrencesSkipped]:
    """Skip the missed occurrences that will not be caught up, except those that jitter may have made due later."""
    if job.exhausted:
        return skip_due(job, "max_runs", context.now)
    definition, catch_up = job.definition, job.definition.catch_up
    window_start = context.now - catch_up.window
    missed = late.all_missed_before - (definition.jitter or timedelta(0)) - _INSTANT
    if catch_up.policy == "all":
        return _skip_until(job, min(missed, window_start - _INSTANT), "window", context.now)
    newest = None if job.next_at is None or job.next_at > missed else last_between(definition, job.next_at, missed)
    if newest is None:
        return []
    if catch_up.policy == "none" or _is_one_on_time(job, newest, late, context):
        return _skip_until(job, newest, "missed", context.now)
    if newest < window_start:
        return _skip_until(job, newest, "window", context.now)
    return _skip_until(job, newest - _INSTANT, "missed", context.now)


def _is_one_on_time(job: Job, newest_missed: datetime, late: Lateness, context: DecisionContext) -> bool:
    """Whether an occurrence is due on time, or was kept back by a pause.

    With jitter, or after a pause, the first thousand after `newest_missed` are looked at.
    """
    due, _ = _due(replace(job, next_at=newest_missed), context, _MAX_DUE)
    return any(not late.is_missed(occurrence.due_at) for occurrence in reversed(due))


# Phase 2: list the remaining due occurrences, and group them by what happens to them.


def _max_due(job: Job, others: ActiveRuns, late: Lateness) -> int:
    """How many occurrences to list. Where a catch-up pauses, only about as many as may run."""
    in_order = job.definition.catch_up.policy == "all" or late.kept
    return max(1, MAX_CATCHING_UP - others.count) if in_order else _MAX_DUE


def _due(job: Job, context: DecisionContext, limit: int) -> tuple[list[Occurrence], bool]:
    """The due occurrences, at most `limit`, and whether there are more.

    If the scheduler sends the messages later (`dispatch` 0), occurrences that jitter still delays count as well: their
    runs wake when they are due.
    """
    due: list[Occurrence] = []
    if job.next_at is None:
        return due, False
    for occurrence in occurrences(job.id, job.definition, job.next_at):
        if (occurrence.due_at if context.dispatch else occurrence.nominal_at) > context.now:
            break
        if len(due) == limit:
            return due, True
        due.append(occurrence)
    return due, False


@dataclass(frozen=True, slots=True)
class _Group:
    """Due occurrences in a row: several that are skipped for one reason, or a single one that is to run.

    `resumed_at`: it was kept back by a pause of its queue, which ended then.
    """

    occurrences: Sequence[Occurrence]
    skip_reason: str | None = None
    trigger: Trigger = Trigger.SCHEDULE
    resumed_at: datetime | None = None


def _grouped(
    job: Job, due: Sequence[Occurrence], late: Lateness, context: DecisionContext, *, more: bool
) -> Iterator[_Group]:
    """The groups in the order of their times: missed and skipped, missed and caught up, on time or kept back.

    What a pause kept back is followed by what was missed after it.
    """
    rest = len(due)
    for missed, part in groupby(due, key=lambda occurrence: late.is_missed(occurrence.due_at)):
        occurrences = list(part)
        rest -= len(occurrences)
        if missed:
            yield from _missed(job, occurrences, context, none_on_time=not more and not rest)
        else:
            for each in occurrences:
                yield _Group([each], resumed_at=late.resumed_at(each.due_at))


def _missed(
    job: Job, missed: Sequence[Occurrence], context: DecisionContext, *, none_on_time: bool
) -> Iterator[_Group]:
    """What the catch-up policy does with missed occurrences; `none_on_time`: none that is on time follows."""
    catch_up = job.definition.catch_up
    latest = missed[-1:] if none_on_time else []
    wanted = {"none": [], "latest": latest, "all": missed}[catch_up.policy]
    caught_up = [occurrence for occurrence in wanted if occurrence.due_at >= context.now - catch_up.window]
    skipped = missed[: len(missed) - len(caught_up)]
    if skipped:
        too_old = bool(wanted) and (catch_up.policy == "all" or not caught_up)
        yield _Group(skipped, "window" if too_old else "missed")
    for occurrence in caught_up:
        yield _Group([occurrence], None, Trigger.CATCH_UP)


# Phase 3: skip or open the groups in order, as far as `max_runs` and a pausing backlog allow.


def _open_runs(job: Job, groups: Sequence[_Group], others: ActiveRuns, context: DecisionContext) -> list[Fact]:
    facts: list[Fact] = []
    runs_left, most_active = _runs_left(job), min(MAX_CATCHING_UP, context.max_active)
    for n, group in enumerate(groups, 1):
        in_order = _runs_in_order(job, group, others)
        if runs_left == 0 or (in_order and others.count >= most_active):
            break
        if group.skip_reason is not None:
            facts.append(_skip(group.occurrences, group.skip_reason, context.now))
            continue
        opened = _open_due(job, group, others, context, in_order=in_order)
        if n < len(groups):
            others.apply(opened)
        facts += opened
        runs_left -= not isinstance(opened[-1].event, RunSkipped)
    return facts


def _runs_left(job: Job) -> int:
    """How many further runs `max_runs` allows; negative if there is no limit."""
    limit = job.definition.max_runs
    return -1 if limit is None else max(0, limit - job.runs)


def _runs_in_order(job: Job, group: _Group, others: ActiveRuns) -> bool:
    """Whether the group belongs to a backlog, of the policy `all` or of a pause, or joins its end."""
    if group.skip_reason is not None:
        return False
    if group.resumed_at is not None or (group.trigger is Trigger.CATCH_UP and job.definition.catch_up.policy == "all"):
        return True
    return joins_backlog(job.definition, others)


def _skip(skipped: Sequence[Occurrence], reason: str, now: datetime) -> OccurrencesSkipped:
    last = skipped[-1]
    return OccurrencesSkipped(
        first=skipped[0].nominal_at,
        last=last.nominal_at,
        count=len(skipped),
        reason=reason,
        next_at=last.next_at,
        next_due_at=last.next_due_at,
        at=now,
    )


def _open_due(
    job: Job, group: _Group, others: ActiveRuns, context: DecisionContext, *, in_order: bool
) -> list[RunFact]:
    """The first event of the occurrence's run, after the events that the overlap policy causes in other runs."""
    (occurrence,), definition = group.occurrences, job.definition
    run_id = run_id_at(job.id, occurrence.nominal_at)
    start_by = None if definition.start_within is None else occurrence.due_at + definition.start_within
    if start_by is not None and context.now > start_by:
        identity = run_identity(job, occurrence, group.trigger, context)
        return [RunFact(run_id, RunSkipped(**identity, reason="deadline"))]
    new = NewRun(run_id, occurrence, group.trigger, definition.overlap, start_by)
    if in_order:
        new = new._replace(resumed_at=group.resumed_at or others.resumed_at)
    if in_order and new.overlap is not Overlap.ALLOW_ALL:
        new = new._replace(overlap=Overlap.BUFFER_ALL, backlog=True)
    return open_run(job, new, others, context)


# Phase 4: finish the job.


def _finish(job: Job, decided: Sequence[Fact], now: datetime) -> list[Fact]:
    """The end of the schedule, if the decided facts leave no further occurrence or `max_runs` no further run.

    A one-off has finished with the first event of its run: see `evolve`.
    """
    if not decided or (job.definition.recurrence == "none" and isinstance(decided[-1], RunFact)):
        return []
    if job.definition.max_runs is None and _next_at(decided[-1]) is not None:
        return []  # the usual case, decided without folding the facts
    after = job_after(job, decided)
    if after.next_at is not None and not after.exhausted:
        return []
    return [*skip_due(after, "max_runs", now), JobFinished(at=now)]


def _next_at(fact: Fact) -> datetime | None:
    event = fact.event if isinstance(fact, RunFact) else fact
    assert isinstance(event, FirstEvent | OccurrencesSkipped)
    return event.next_at


def decide_due(job: Job, active: Sequence[Run], context: DecisionContext, held_reason: str | None) -> list[Fact]:
    """Decide what is due before a person's command changes the job; a paused job's occurrences are skipped.

    Occurrences that `account` leaves due are skipped for `held_reason`, or stay due if that is None.
    """
    if job.status is JobStatus.PAUSED:
        return [*skip_due(job, "paused", context.now)]
    if job.status is not JobStatus.ACTIVE:
        return []
    decided = account(job, active, context)
    if held_reason is None:
        return decided
    return [*decided, *skip_due(job_after(job, decided), held_reason, context.now)]


def skip_due(job: Job, reason: str, now: datetime) -> list[OccurrencesSkipped]:
    """One skip of all nominal times from `job.next_at` up to `now`; nothing if there are none."""
    return _skip_until(job, now, reason, now)


def _skip_until(job: Job, until: datetime, reason: str, now: datetime) -> list[OccurrencesSkipped]:
    if job.next_at is None or job.next_at > until:
        return []
    last = last_between(job.definition, job.next_at, until) or job.next_at
    count = count_between(job.definition, job.next_at, last)
    ahead = next_occurrence(job.id, job.definition, last)
    return [OccurrencesSkipped(first=job.next_at, last=last, count=count, reason=reason, at=now, **ahead._asdict())]
