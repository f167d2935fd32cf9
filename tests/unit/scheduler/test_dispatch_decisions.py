"""How one pass of the dispatch is bounded, and which due jobs it postpones."""

from dataclasses import replace
from uuid import UUID

import pytest

from duebook_common.domain.definition import CatchUp, Every
from duebook_common.domain.job.commands import Dispatch
from duebook_common.store.job_plan import JobResult, LockedJob
from duebook_scheduler import dispatch_decisions as module
from duebook_scheduler.dispatch_decisions import decide_within_limits, is_blocked
from support.samples import DAY, MINUTE, NOW, SECOND, a_job, a_run, context


def due_jobs(count: int) -> list[LockedJob]:
    return [LockedJob(replace(a_job(), id=UUID(int=n)), []) for n in range(count)]


def decided(jobs: list[LockedJob], command: Dispatch | None = None) -> list[JobResult[Dispatch]]:
    return decide_within_limits(jobs, [command or Dispatch(context())] * len(jobs))


def test_jobs_beyond_the_limit_of_facts_stay_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_FACTS", 3)
    results = decided(due_jobs(9))
    assert [result.job.id.int for result in results] == [0, 1, 2]


def test_jobs_beyond_the_limit_of_time_stay_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DECIDING_SECONDS", -1)
    assert decided(due_jobs(9)) == []


def test_a_due_job_is_postponed_only_if_its_catch_up_must_wait() -> None:
    job = a_job(recurrence=Every(MINUTE), catch_up=CatchUp("all", 365 * DAY))
    later = Dispatch(context(NOW + 10 * DAY))
    (unlimited,) = decided([LockedJob(job, [])], later)
    assert unlimited.job.wake_at is not None
    assert unlimited.job.wake_at < later.context.now, "still due, because one pass catches up a part only"
    waiting = [replace(a_run(), id=UUID(int=n)) for n in range(100)]
    (blocked,) = decided([LockedJob(job, waiting)], later)
    assert (is_blocked(unlimited), is_blocked(blocked)) == (False, True)


def test_a_job_that_is_not_due_is_not_postponed() -> None:
    job = a_job(scheduled_at=NOW + SECOND)
    (result,) = decided([LockedJob(job, [])])
    assert (result.facts, is_blocked(result)) == ([], False)
