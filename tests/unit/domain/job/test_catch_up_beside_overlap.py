"""Catch-up beside overlap: what the contract promises, for whole lives of jobs after a downtime.

The oracle is the contract's sentences: it looks at the history alone, and not at how a decision is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise, product
from uuid import UUID

import pytest

from duebook_common.domain.definition import CatchUp, Every, Overlap
from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.run.events import FirstEvent, RunFact, RunSkipped, Trigger
from duebook_common.domain.run.evolve import evolve, opened
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.integrity.verify_jobs import check_job
from support.lives import Life, new_life
from support.recorded import recorded
from support.samples import HOUR, MINUTE, NOW, a_definition

EVERY = 10 * MINUTE
_SINCE_NEWEST = 5 * MINUTE  # at the first pass after the downtime
MISFIRE = {"nothing": MINUTE, "one": 6 * MINUTE, "several": 26 * MINUTE}
ON_TIME = {"nothing": 0, "one": 1, "several": 3}
FAST, SLOW = 3 * MINUTE, 27 * MINUTE
ALL_BUT_ALLOW_ALL = [overlap for overlap in Overlap if overlap is not Overlap.ALLOW_ALL]


@dataclass
class DecidedOccurrence:
    """A due occurrence with its first event, and the job's active runs just before."""

    run_id: UUID
    event: FirstEvent
    active: list[Run] = field(default_factory=list)

    @property
    def caught_up_before(self) -> list[Run]:
        return [run for run in self.active if run.trigger is Trigger.CATCH_UP]

    @property
    def left_out(self) -> bool:
        return isinstance(self.event, RunSkipped)


def decided(life: Life) -> Iterator[DecidedOccurrence]:
    runs: dict[UUID, Run] = {}
    for fact in life.history:
        if not isinstance(fact, RunFact):
            continue
        if isinstance(fact.event, FirstEvent):
            yield DecidedOccurrence(fact.run_id, fact.event, [run for run in runs.values() if run.active])
            runs[fact.run_id] = opened(fact.run_id, fact.event)
        else:
            runs[fact.run_id] = evolve(runs[fact.run_id], fact.event)


@cache
def after_a_downtime(overlap: Overlap, policy: str, on_time: str, task: timedelta, missed: int = 4) -> Life:
    """Six hours, in steps of a minute, after a downtime that so many occurrences fell into."""
    first = NOW - _SINCE_NEWEST - (missed + ON_TIME[on_time] - 1) * EVERY
    catch_up = CatchUp(policy)  # type: ignore[arg-type]
    definition = a_definition(scheduled_at=first, recurrence=Every(EVERY), overlap=overlap, catch_up=catch_up)
    life = new_life(definition, NOW, MISFIRE[on_time])
    for _ in range(6 * 60):
        life.poll()
        life.work(task)
        life.wait(MINUTE)
    return life


def first_pass(life: Life) -> list[DecidedOccurrence]:
    return [occurrence for occurrence in decided(life) if occurrence.event.at == NOW]


def scheduled(life: Life) -> list[Run]:
    return sorted(life.runs.values(), key=lambda run: run.nominal_at)


TABLE = [
    pytest.param(overlap, policy, on_time, task, id=f"{overlap}-{policy}-{on_time}-{name}")
    for overlap in Overlap
    for policy in ("latest", "all", "none")
    for on_time in ON_TIME
    for name, task in (("fast", FAST), ("slow", SLOW))
]
every_case = pytest.mark.parametrize(("overlap", "policy", "on_time", "task"), TABLE)


@every_case
def test_a_caught_up_run_leaves_no_occurrence_out(overlap: Overlap, policy: str, on_time: str, task: timedelta) -> None:
    """An occurrence on time is never left out because of a run that was caught up."""
    for occurrence in decided(after_a_downtime(overlap, policy, on_time, task)):
        ordinary = [run for run in occurrence.active if run.trigger is not Trigger.CATCH_UP]
        if occurrence.left_out:
            assert ordinary, "only an ordinary run may be the reason"
            assert not (policy == "all" and occurrence.caught_up_before)


@every_case
def test_what_becomes_of_the_missed_ones(overlap: Overlap, policy: str, on_time: str, task: timedelta) -> None:
    """`latest`: where one on time is due in the same pass, it makes the missed ones `missed`. `all`: each runs."""
    life = after_a_downtime(overlap, policy, on_time, task)
    caught_up = [occurrence for occurrence in decided(life) if occurrence.event.trigger is Trigger.CATCH_UP]
    skipped = sum(event.count for event in life.own if isinstance(event, OccurrencesSkipped))
    assert {event.reason for event in life.own if isinstance(event, OccurrencesSkipped)} <= {"missed"}
    expected = {"none": 0, "latest": int(on_time == "nothing"), "all": 4}[policy]
    assert (len(caught_up), skipped) == (expected, 4 - expected)
    assert [occurrence.event.trigger for occurrence in first_pass(life)].count(Trigger.SCHEDULE) == ON_TIME[on_time]


@every_case
def test_no_caught_up_run_is_cancelled(overlap: Overlap, policy: str, on_time: str, task: timedelta) -> None:
    """`cancel_other` and `terminate_other` never cancel a caught-up run for that reason."""
    life = after_a_downtime(overlap, policy, on_time, task)
    statuses = {run.status for run in life.runs.values() if run.trigger is Trigger.CATCH_UP}
    assert statuses <= {RunStatus.SUCCEEDED}


@every_case
def test_what_falls_due_meanwhile_joins_the_end(overlap: Overlap, policy: str, on_time: str, task: timedelta) -> None:
    """`all`: in order, whatever the overlap policy, but `allow_all`, which waits for nothing."""
    life = after_a_downtime(overlap, policy, on_time, task)
    for occurrence in decided(life):
        if policy == "all" and occurrence.caught_up_before:
            run = life.runs[occurrence.run_id]
            assert not occurrence.left_out
            assert overlap is not Overlap.ALLOW_ALL or run.started_at == occurrence.event.at
    started = [run.started_at for run in scheduled(life) if run.started_at is not None]
    assert started == sorted(started)


@every_case
def test_two_runs_are_never_active_at_the_same_time(
    overlap: Overlap, policy: str, on_time: str, task: timedelta
) -> None:
    life = after_a_downtime(overlap, policy, on_time, task)
    spans = [(run.started_at, run.finished_at or life.now) for run in scheduled(life) if run.started_at is not None]
    if overlap is not Overlap.ALLOW_ALL:
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert list(check_job(recorded(life.history), NOW - 9000 * HOUR)) == []


# Without a backlog several runs on time, or of more than half the interval, may overlap each other.
NOTHING_OVERLAPS = [
    (policy, on_time, task)
    for policy, on_time, task in product(("latest", "all", "none"), ON_TIME, (FAST, 6 * MINUTE))
    if policy == "all" or (on_time != "several" and task <= EVERY / 2)
]


@pytest.mark.parametrize(("policy", "on_time", "task"), NOTHING_OVERLAPS)
@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER, Overlap.ALLOW_ALL])
def test_a_task_faster_than_its_schedule_loses_none(
    overlap: Overlap, policy: str, on_time: str, task: timedelta
) -> None:
    """Nothing overlaps but for the catch-up, so everything that was due on time runs: there is no hole."""
    life = after_a_downtime(overlap, policy, on_time, task, missed=6)
    ended = [occurrence for occurrence in decided(life) if occurrence.event.at < life.now - 20 * MINUTE]
    lost = [life.runs[each.run_id] for each in ended if life.runs[each.run_id].status is not RunStatus.SUCCEEDED]
    assert lost == []


# A caught-up run of an earlier pass, and what falls due while it runs


def met_a_caught_up_run(overlap: Overlap) -> list[tuple[datetime, str]]:
    """What becomes of two occurrences in order that fall due while the newest missed one runs for 27 minutes."""
    life = after_a_downtime(overlap, "latest", "nothing", SLOW)
    caught_up, *others = scheduled(life)
    assert caught_up.trigger is Trigger.CATCH_UP
    return [(run.started_at or run.nominal_at, run.status) for run in others[:2]]


@pytest.mark.parametrize("overlap", ALL_BUT_ALLOW_ALL)
def test_by_latest_the_first_on_time_waits_and_the_rest_is_as_usual(overlap: Overlap) -> None:
    (first, first_became), (_, second_became) = met_a_caught_up_run(overlap)
    replaces = overlap in {Overlap.CANCEL_OTHER, Overlap.TERMINATE_OTHER}
    expected = ("cancelled", "cancelled") if replaces else ("succeeded", "skipped")
    if overlap is Overlap.BUFFER_ALL:
        expected = ("succeeded", "succeeded")
    assert (first_became, second_became) == expected
    assert replaces or first == NOW + SLOW


def test_a_task_slower_than_its_schedule_does_not_lengthen_the_line_for_ever() -> None:
    life = after_a_downtime(Overlap.SKIP, "all", "nothing", SLOW, missed=2)
    assert len(life.active) < 10
    assert any(occurrence.left_out for occurrence in decided(life))
