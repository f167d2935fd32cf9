"""The decisions about a job, command by command. A repeated command decides nothing."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from duebook_common.domain.definition import CatchUp, Every, Overlap
from duebook_common.domain.errors import JobDeletedAlready, KeyReused, WrongStatus
from duebook_common.domain.job.commands import (
    AdmitWaiting,
    Backfill,
    ChangeJob,
    DeleteJob,
    Dispatch,
    JobCommand,
    PauseJob,
    PauseOnDeadLetter,
    ResumeJob,
    TriggerRun,
)
from duebook_common.domain.job.decide import decide
from duebook_common.domain.job.events import JobDeleted, JobFinished, JobPaused, JobResumed, OccurrencesSkipped
from duebook_common.domain.job.state import Job, JobStatus, job_after
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.events import RunFact
from duebook_common.domain.run.state import RunStatus
from support.job_commands import active, after, deleted, finished, names, paused
from support.samples import DAY, HOUR, MINUTE, NOW, RUN_ID, SECOND, a_definition, a_job, a_run, context, past

DAILY = a_definition(recurrence="daily")
REPEATABLE: dict[str, tuple[Job, JobCommand]] = {
    "dispatch": (a_job(recurrence="daily"), Dispatch(context())),
    "pause": (a_job(), PauseJob(None, context(NOW - SECOND))),
    "pause on a dead letter": (a_job(), PauseOnDeadLetter(replace(a_run(), finished_at=NOW))),
    "resume": (paused(recurrence="daily"), ResumeJob(None, NOW)),
    "change": (a_job(), ChangeJob(DAILY, context(), run_exists=False)),
    "delete": (a_job(), DeleteJob(NOW)),
}


@pytest.mark.parametrize("name", REPEATABLE)
def test_a_repeated_command_decides_nothing(name: str) -> None:
    job, command = REPEATABLE[name]
    first = decide(job, [], command)
    assert first
    assert decide(job_after(job, first), [], command) == []


# Dispatch


def test_a_job_that_is_not_due_is_not_dispatched() -> None:
    """With jitter it can be past its nominal time, but not yet due."""
    job = replace(a_job(recurrence="daily", jitter=2 * HOUR), next_due_at=NOW + HOUR)
    assert decide(job, [], Dispatch(context(NOW + HOUR - SECOND))) == []
    assert names(decide(job, [], Dispatch(context(NOW + HOUR))))[0] == "RunDispatched"
    assert decide(paused(), [], Dispatch(context(NOW + DAY))) == []


# Pause and resume


def test_a_pause_decides_first_what_is_due() -> None:
    job = a_job(scheduled_at=NOW - DAY - HOUR, recurrence="daily")
    facts = decide(job, [], PauseJob("holidays", context()))
    assert names(facts) == ["OccurrencesSkipped", "RunDispatched", "JobPaused"]
    assert job_after(job, facts).next_at == NOW + 23 * HOUR


def test_a_pause_skips_the_occurrences_of_a_paused_catch_up() -> None:
    job = a_job(scheduled_at=NOW - DAY, recurrence=Every(MINUTE), catch_up=CatchUp("all"))
    facts = decide(job, [active(RunStatus.RUNNING, n) for n in range(100)], PauseJob(None, context()))
    assert names(facts) == ["OccurrencesSkipped", "JobPaused"]
    skipped = facts[0]
    assert isinstance(skipped, OccurrencesSkipped)
    assert (skipped.first, skipped.last, skipped.reason) == (NOW - DAY, NOW, "paused")


def test_a_job_whose_last_occurrence_is_due_cannot_be_paused() -> None:
    with pytest.raises(WrongStatus, match="finished"):
        decide(a_job(), [], PauseJob(None, context()))


def test_occurrences_during_a_pause_are_skipped_and_not_caught_up() -> None:
    now = NOW + 2 * DAY + HOUR
    job = paused(recurrence="daily")
    facts = decide(job, [], ResumeJob("back", now))
    next_at = NOW + 3 * DAY
    assert facts == [
        OccurrencesSkipped(first=NOW, last=NOW + 2 * DAY, count=3, reason="paused", next_at=next_at, at=now),
        JobResumed(reason="back", next_at=next_at, at=now),
    ]
    job = job_after(job, facts)
    assert (job.status, job.reason, job.wake_at) == (JobStatus.ACTIVE, "back", next_at)


def test_a_job_whose_last_time_fell_into_the_pause_finishes_when_it_is_resumed() -> None:
    now = NOW + HOUR
    _, *facts = decide(paused(), [], ResumeJob(None, now))
    assert facts == [JobResumed(reason=None, next_at=None, at=now), JobFinished(at=now)]


def test_a_job_without_further_runs_finishes_when_it_is_resumed() -> None:
    job = replace(paused(recurrence="daily", max_runs=3), runs=3)
    assert names(decide(job, [], ResumeJob(None, NOW - SECOND))) == ["JobResumed", "JobFinished"]


def test_a_job_resumed_by_a_clock_that_is_behind_names_no_time_that_has_run() -> None:
    behind = NOW - timedelta(milliseconds=2)
    job = after(a_job(recurrence="daily"), Dispatch(context()), PauseJob(None, context(behind)))
    (resumed,) = decide(job, [], ResumeJob(None, behind))
    assert isinstance(resumed, JobResumed)
    assert resumed.next_at == NOW + DAY


def test_an_active_job_is_not_resumed() -> None:
    assert decide(a_job(), [], ResumeJob(None, NOW)) == []


@pytest.mark.parametrize("command", [PauseJob(None, context()), ResumeJob(None, NOW)])
def test_a_finished_job_is_neither_paused_nor_resumed(command: JobCommand) -> None:
    with pytest.raises(WrongStatus):
        decide(finished(), [], command)


# Pause on a dead letter


def test_a_dead_letter_pauses_its_job_and_skips_what_is_due() -> None:
    dead = replace(a_run(), status=RunStatus.DEAD_LETTERED, error="x" * 9_000, finished_at=NOW + DAY)
    skipped, event = decide(a_job(recurrence="daily"), [], PauseOnDeadLetter(dead))
    assert isinstance(skipped, OccurrencesSkipped)
    assert (skipped.count, skipped.reason, skipped.next_at) == (2, "paused", NOW + 2 * DAY)
    assert isinstance(event, JobPaused)
    assert (event.reason, event.at) == (f"run {dead.id} was dead-lettered", NOW + DAY)


def test_a_dead_letter_leaves_a_job_alone_that_is_not_active() -> None:
    dead = replace(a_run(), status=RunStatus.DEAD_LETTERED, finished_at=NOW)
    for job in (paused(), finished(), deleted()):
        assert decide(job, [], PauseOnDeadLetter(dead)) == []


def test_a_dead_letter_does_not_skip_what_a_pause_kept_back() -> None:
    dead = replace(a_run(), status=RunStatus.DEAD_LETTERED, finished_at=NOW + 3 * MINUTE)
    pause = Pause("default", 1, NOW - SECOND, None, "ops")
    job = a_job(recurrence=Every(MINUTE), catch_up=CatchUp("none"))
    facts = decide(job, [], PauseOnDeadLetter(dead, [pause]))
    assert names(facts) == ["RunBuffered"] * 4 + ["JobPaused"]
    resumed = replace(pause, until=NOW + 2 * MINUTE)
    assert names(decide(job, [], PauseOnDeadLetter(dead, [resumed])))[-1] == "JobPaused"
    assert "OccurrencesSkipped" not in names(decide(job, [], PauseOnDeadLetter(dead, [resumed])))


def test_a_dead_letter_whose_backlog_ends_the_job_does_not_pause_it() -> None:
    dead = replace(a_run(), status=RunStatus.DEAD_LETTERED, finished_at=NOW + MINUTE)
    pause = Pause("default", 1, NOW - SECOND, None, "ops")
    assert names(decide(a_job(), [], PauseOnDeadLetter(dead, [pause]))) == ["RunBuffered"]


# Change


def test_a_change_decides_by_the_old_definition_what_is_due() -> None:
    job = a_job(recurrence="daily", queue="old")
    changed = replace(job.definition, queue="new", scheduled_at=NOW - HOUR)
    run, event = decide(job, [], ChangeJob(changed, context(dispatch=0), run_exists=False))
    assert isinstance(run, RunFact)
    assert (run.event.queue, names([event])) == ("old", ["JobChanged"])  # type: ignore[union-attr]


def test_a_paused_catch_up_goes_on_after_a_change_that_keeps_the_schedule() -> None:
    job = a_job(scheduled_at=NOW - DAY, recurrence=Every(MINUTE), catch_up=CatchUp("all"))
    runs = [active(RunStatus.RUNNING, n) for n in range(100)]
    renamed, moved = replace(job.definition, name="another"), replace(job.definition, scheduled_at=NOW - HOUR)
    assert names(decide(job, runs, ChangeJob(renamed, context(), run_exists=False))) == ["JobChanged"]
    skipped, _ = decide(job, runs, ChangeJob(moved, context(), run_exists=False))
    assert isinstance(skipped, OccurrencesSkipped)
    assert (skipped.last, skipped.reason) == (NOW, "changed")


def test_a_change_that_allows_no_more_runs_skips_what_is_due_and_ends_the_job() -> None:
    job = replace(a_job(scheduled_at=NOW - DAY, recurrence=Every(MINUTE), catch_up=CatchUp("all")), runs=5)
    limited = replace(job.definition, max_runs=5)
    facts = decide(job, [active(RunStatus.RUNNING, n) for n in range(100)], ChangeJob(limited, context(), False))
    assert names(facts) == ["OccurrencesSkipped", "JobChanged", "JobFinished"]
    assert job_after(job, facts).status is JobStatus.FINISHED


# Delete


def test_a_deletion_skips_what_is_due_and_cancels_what_has_not_started() -> None:
    runs = [active(RunStatus.RUNNING, 1), active(RunStatus.WAITING, 2), active(RunStatus.DISPATCHED, 3)]
    facts = decide(a_job(recurrence="daily"), [*runs, active(RunStatus.RETRYING, 4)], DeleteJob(NOW))
    assert names(facts) == ["OccurrencesSkipped", "JobDeleted", *["RunCancelled"] * 3]
    assert [fact.run_id.int for fact in facts if isinstance(fact, RunFact)] == [2, 3, 4]


@pytest.mark.parametrize(("job", "reason"), [(a_job(), "deleted"), (paused(), "paused")])
def test_a_deletion_gives_the_reason_of_what_it_skips(job: Job, reason: str) -> None:
    skipped = decide(job, [], DeleteJob(NOW))[0]
    assert isinstance(skipped, OccurrencesSkipped)
    assert skipped.reason == reason


def test_any_job_can_be_deleted_and_the_event_has_the_time_in_utc() -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    for job in (a_job(), paused(), finished()):
        facts = decide(job, [], DeleteJob(berlin))
        assert facts[-1] == JobDeleted(at=NOW)
        assert job_after(job, facts).status is JobStatus.DELETED


REFUSED: list[JobCommand] = [
    PauseJob(None, context()),
    ResumeJob(None, NOW),
    ChangeJob(a_definition(), context(), run_exists=False),
    TriggerRun(RUN_ID, Overlap.SKIP, context()),
    Backfill(past(a_job(), NOW - DAY), Overlap.SKIP, context()),
]


@pytest.mark.parametrize("command", REFUSED)
def test_a_deleted_job_refuses_every_further_command(command: JobCommand) -> None:
    job = deleted()
    assert (job.status, job.next_at, job.wake_at) == (JobStatus.DELETED, None, None)
    with pytest.raises(JobDeletedAlready):
        decide(job, [], command)


# Trigger


def test_a_repeated_trigger_finds_its_earlier_run_also_after_the_deletion() -> None:
    earlier = replace(a_run(), request_hash="a")
    repeat = TriggerRun(RUN_ID, Overlap.SKIP, context(), request_hash="a", earlier=earlier)
    assert decide(a_job(), [], repeat) == decide(deleted(), [], repeat) == []
    with pytest.raises(KeyReused):
        decide(a_job(), [], replace(repeat, request_hash="b"))
    assert decide(a_job(), [], replace(repeat, earlier=replace(earlier, request_hash=None))) == []


# Admission


def test_free_runs_are_admitted_and_expired_ones_end() -> None:
    first, second = active(RunStatus.WAITING, 1), active(RunStatus.WAITING, 2)
    late = replace(active(RunStatus.WAITING, 3), start_by=NOW - SECOND)
    runs = [replace(run, reason="overlap", wake_at=NOW, attempt=0) for run in (late, second, first)]
    facts = decide(a_job(), runs, AdmitWaiting(frozenset({first.id}), NOW, MINUTE))
    assert [(fact.run_id.int, *names([fact])) for fact in facts if isinstance(fact, RunFact)] == [
        (1, "RunRequeued"),
        (3, "RunExpired"),
    ]


def test_waiting_runs_of_a_deleted_job_are_cancelled() -> None:
    waiting = replace(active(RunStatus.WAITING), reason="overlap", wake_at=NOW)
    assert names(decide(deleted(), [waiting], AdmitWaiting(frozenset(), NOW, MINUTE))) == ["RunCancelled"]
