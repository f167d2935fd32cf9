"""The decisions about a job that is held, and about its runs."""

from dataclasses import replace
from typing import Any

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import WrongStatus
from duebook_common.domain.job.commands import DeleteJob, PauseJob, ResumeJob, TriggerRun
from duebook_common.domain.job.decide import decide
from duebook_common.domain.job.hold import active_after
from duebook_common.domain.job.state import Job, JobStatus, job_after
from duebook_common.domain.run.state import Run, RunStatus
from support.job_commands import active, finished, names, paused
from support.samples import HOUR, NOW, RUN_ID, SECOND, a_job, context


def held(*runs: Run, now: Any = NOW - SECOND) -> tuple[Job, list[Run]]:
    """A job that is held while these runs are active, and the runs after that."""
    job = a_job(NOW - SECOND, recurrence="daily")
    facts = decide(job, runs, PauseJob("stop the bleeding", context(now), hold=True))
    return job_after(job, facts), active_after(runs, facts)


def test_a_hold_holds_what_has_not_started_and_the_retries_of_running_runs() -> None:
    statuses = [RunStatus.WAITING, RunStatus.DISPATCHED, RunStatus.RETRYING, RunStatus.RUNNING]
    job, runs = held(*(active(status, n) for n, status in enumerate(statuses)))
    assert (job.status, job.held, job.wake_at, job.reason) == (JobStatus.PAUSED, True, None, "stop the bleeding")
    assert [(run.held, run.status) for run in runs] == [(True, RunStatus.WAITING)] * 3 + [(True, RunStatus.RUNNING)]
    again = decide(job, runs, PauseJob(None, context(), hold=True))
    assert [*again, *decide(job, runs, PauseJob(None, context()))] == []


def test_a_pause_without_hold_leaves_the_runs_alone_until_one_with_hold() -> None:
    job, runs = paused(recurrence="daily"), [active(RunStatus.RETRYING)]
    assert not job.held
    assert names(decide(job, runs, PauseJob(None, context(NOW - SECOND), hold=True))) == ["JobPaused", "RunHeld"]


def test_a_resume_wakes_every_held_run_at_its_own_time() -> None:
    later = replace(active(RunStatus.RETRYING, 1), wake_at=NOW + HOUR)
    job, runs = held(later, active(RunStatus.DISPATCHED, 2), active(RunStatus.RUNNING, 3))
    facts = decide(job, runs, ResumeJob(None, NOW))
    assert names(facts)[-4:] == ["JobResumed", "RunResumed", "RunResumed", "RunResumed"]
    assert not job_after(job, facts).held
    resumed = active_after(runs, facts)
    assert [(run.held, run.status) for run in resumed] == [
        (False, RunStatus.RETRYING),
        (False, RunStatus.RETRYING),
        (False, RunStatus.RUNNING),
    ]
    assert [run.wake_at for run in resumed[:2]] == [NOW + HOUR, NOW]


def test_a_run_that_is_triggered_while_its_job_is_held_waits() -> None:
    job, runs = held()
    [opened] = decide(job, runs, TriggerRun(RUN_ID, Overlap.SKIP, context()))
    [run] = active_after(runs, [opened])
    assert (run.status, run.reason, run.held) == (RunStatus.WAITING, "paused", True)
    facts = decide(job, [run], ResumeJob(None, NOW))
    assert [each.status for each in active_after([run], facts)] == [RunStatus.RETRYING]


def test_a_finished_job_can_be_held_while_it_has_active_runs() -> None:
    job, retrying = finished(), active(RunStatus.RETRYING)
    with pytest.raises(WrongStatus):
        decide(job, [retrying], PauseJob(None, context()))
    with pytest.raises(WrongStatus, match="have active runs to hold"):
        decide(job, [], PauseJob(None, context(), hold=True))
    facts = decide(job, [retrying], PauseJob(None, context(), hold=True))
    assert names(facts) == ["JobPaused", "RunHeld"]
    resumed = decide(job_after(job, facts), active_after([retrying], facts), ResumeJob(None, NOW))
    assert names(resumed) == ["JobResumed", "JobFinished", "RunResumed"]


def test_the_last_occurrence_of_a_job_is_held_if_it_is_due_at_the_pause() -> None:
    facts = decide(a_job(), [], PauseJob(None, context(), hold=True))
    assert names(facts) == ["RunDispatched", "JobPaused", "RunHeld"]


def test_a_deleted_job_cancels_its_held_runs() -> None:
    job, runs = held(active(RunStatus.RETRYING))
    facts = decide(job, runs, DeleteJob(NOW))
    assert names(facts)[-2:] == ["JobDeleted", "RunCancelled"]
    assert not job_after(job, facts).held
