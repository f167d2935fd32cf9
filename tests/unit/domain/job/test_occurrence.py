"""Each due nominal time is accounted for by one run, one skipped run, or one range of skips."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from time import process_time
from typing import Any
from uuid import UUID

import pytest

from duebook_common.domain.definition import CatchUp, Every, Notify, Overlap
from duebook_common.domain.job.commands import DecisionContext
from duebook_common.domain.job.events import Fact, OccurrencesSkipped
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.state import Job, JobStatus, job_after
from duebook_common.domain.run.events import Identity, RunBuffered, RunDispatched, RunFact, RunSkipped, Trigger
from duebook_common.domain.run.ids import run_id_at
from support.samples import DAY, HOUR, JOB_ID, MINUTE, NOW, SECOND, a_job, a_run, a_running_run, context


def summary(decided: Sequence[Fact]) -> list[str]:
    """One line for each fact."""
    return [_short(fact.event if isinstance(fact, RunFact) else fact) for fact in decided]


def _short(event: object) -> str:
    match event:
        case RunDispatched():
            return f"{event.trigger} {_ago(event.nominal_at)}"
        case RunSkipped():
            return f"skipped {_ago(event.nominal_at)}: {event.reason}"
        case OccurrencesSkipped():
            return f"{event.count} skipped {_ago(event.first)} to {_ago(event.last)}: {event.reason}"
        case _:
            return "finished"


def _ago(time: datetime) -> str:
    return f"{(NOW - time) / HOUR:g} h ago"


def daily(hours_ago: float, **fields: Any) -> Job:
    return a_job(**{"scheduled_at": NOW - hours_ago * HOUR, "recurrence": "daily", **fields})


# On time, missed, caught up


def test_a_one_off_that_is_due_runs_and_finishes_its_job() -> None:
    decided = account(a_job(), [], context())
    assert summary(decided) == ["schedule 0 h ago"]
    job = job_after(a_job(), decided)
    assert (job.status, job.next_at, job.updated_at, job.stream_version) == (JobStatus.FINISHED, None, NOW, 1)


def test_nothing_is_decided_before_the_next_time() -> None:
    assert account(a_job(scheduled_at=NOW + timedelta(microseconds=1)), [], context()) == []
    finished = job_after(a_job(), account(a_job(), [], context()))
    assert account(finished, [], context(NOW + DAY)) == []


def test_a_missed_one_off_is_caught_up() -> None:
    job = a_job(scheduled_at=NOW - 3 * HOUR)
    assert summary(account(job, [], context())) == ["catch_up 3 h ago"]


def test_an_occurrence_is_missed_once_misfire_has_passed() -> None:
    job = a_job(scheduled_at=NOW - MINUTE)
    assert summary(account(job, [], context())) == ["schedule 0.0166667 h ago"]
    assert summary(account(job, [], context(NOW + timedelta(microseconds=1))))[0].startswith("catch_up")


def test_after_a_downtime_the_newest_missed_occurrence_runs() -> None:
    job = daily(73)
    assert summary(account(job, [], context())) == ["3 skipped 73 h ago to 25 h ago: missed", "catch_up 1 h ago"]
    assert job_after(job, account(job, [], context())).next_at == NOW + 23 * HOUR


def test_nothing_is_caught_up_by_the_policy_none() -> None:
    job = daily(73, catch_up=CatchUp("none"))
    assert summary(account(job, [], context())) == ["4 skipped 73 h ago to 1 h ago: missed"]
    on_time = daily(72, catch_up=CatchUp("none"))
    assert summary(account(on_time, [], context())) == ["3 skipped 72 h ago to 24 h ago: missed", "schedule 0 h ago"]


def test_a_long_downtime_is_skipped_as_one_range_in_short_time() -> None:
    """Thirty days of a job of every other second are 1,296,000 times."""
    first = NOW - 30 * DAY
    job = a_job(scheduled_at=first, recurrence=Every(2 * SECOND))
    began = process_time()
    decided = account(job, [], context())
    assert process_time() - began < 0.05
    skipped, *on_time = [fact.event if isinstance(fact, RunFact) else fact for fact in decided]
    assert isinstance(skipped, OccurrencesSkipped)
    assert (skipped.first, skipped.count, skipped.reason) == (first, (30 * DAY - MINUTE) // (2 * SECOND), "missed")
    assert len(on_time) == 31
    assert job_after(job, decided).next_at == NOW + 2 * SECOND


def test_the_policy_all_pauses_at_a_hundred_active_runs() -> None:
    job = a_job(scheduled_at=NOW - 3 * DAY, recurrence=Every(2 * SECOND), catch_up=CatchUp("all", 2 * DAY))
    window, *begun = account(job, [], context())
    assert isinstance(window, OccurrencesSkipped)
    assert (window.count, window.reason) == (DAY // (2 * SECOND), "window")
    assert len(begun) == 100
    later = job_after(job, [window, *begun])
    assert account(later, [a_running_run(n) for n in range(100)], context()) == []
    assert len(account(later, [a_running_run(n) for n in range(60)], context())) == 40


def test_an_occurrence_older_than_the_window_is_not_caught_up() -> None:
    job = daily(73, catch_up=CatchUp(window=30 * MINUTE))
    assert summary(account(job, [], context())) == ["4 skipped 73 h ago to 1 h ago: window"]
    just = daily(73, catch_up=CatchUp(window=HOUR))
    assert summary(account(just, [], context()))[-1] == "catch_up 1 h ago"


def test_a_missed_one_off_beyond_the_window_finishes_without_a_run() -> None:
    job = a_job(scheduled_at=NOW - 2 * DAY, catch_up=CatchUp(window=DAY))
    assert summary(account(job, [], context())) == ["1 skipped 48 h ago to 48 h ago: window", "finished"]


def test_the_last_occurrence_of_a_series_finishes_its_job() -> None:
    job = daily(24, ends_at=NOW)
    decided = account(job, [], context(misfire=2 * DAY, now=NOW))
    assert summary(decided)[-1] == "finished"
    assert job_after(job, decided).status is JobStatus.FINISHED
    longer = daily(24, ends_at=NOW + DAY)
    assert job_after(longer, account(longer, [], context())).status is JobStatus.ACTIVE


# Overlap


def test_the_overlap_policy_applies_beside_an_active_run() -> None:
    assert summary(account(a_job(), [a_run()], context())) == ["skipped 0 h ago: overlap"]
    assert summary(account(a_job(overlap=Overlap.ALLOW_ALL), [a_run()], context())) == ["schedule 0 h ago"]


def test_of_several_due_occurrences_the_overlap_policy_skip_runs_the_first() -> None:
    job = daily(48)
    long_misfire = context(misfire=3 * DAY)
    assert summary(account(job, [], long_misfire)) == [
        "schedule 48 h ago", "skipped 24 h ago: overlap", "skipped 0 h ago: overlap",
    ]  # fmt: skip
    allowing = replace(job, definition=replace(job.definition, overlap=Overlap.ALLOW_ALL))
    assert summary(account(allowing, [a_run()], long_misfire)) == [
        "schedule 48 h ago",
        "schedule 24 h ago",
        "schedule 0 h ago",
    ]


@pytest.mark.parametrize("window", [365 * DAY, HOUR])
@pytest.mark.parametrize("jitter", [None, MINUTE])
@pytest.mark.parametrize("overlap", Overlap)
def test_by_latest_an_occurrence_on_time_makes_the_missed_ones_missed(
    overlap: Overlap, jitter: timedelta | None, window: timedelta
) -> None:
    job = daily(48, overlap=overlap, jitter=jitter, catch_up=CatchUp("latest", window))
    decided = account(job, [], context(NOW + 30 * SECOND, misfire=2 * MINUTE, dispatch=0))
    assert summary(decided) == ["2 skipped 48 h ago to 24 h ago: missed", "schedule 0 h ago"]


@pytest.mark.parametrize("overlap", [each for each in Overlap if each is not Overlap.ALLOW_ALL])
def test_an_occurrence_on_time_joins_the_end_of_the_backlog(overlap: Overlap) -> None:
    first, second = account(daily(24, overlap=overlap, catch_up=CatchUp("all")), [], context())
    assert summary([first]) == ["catch_up 24 h ago"]
    assert isinstance(second, RunFact)
    assert isinstance(second.event, RunBuffered)
    assert (second.event.trigger, second.event.reason, second.event.backlog) == (Trigger.SCHEDULE, "overlap", True)


def test_an_occurrence_that_joins_a_full_backlog_stays_due() -> None:
    job = daily(0, catch_up=CatchUp("all"))
    caught_up = [replace(a_running_run(n), trigger=Trigger.CATCH_UP) for n in range(100)]
    assert account(job, caught_up, context()) == []
    assert len(account(job, caught_up[1:], context())) == 1


# Deadlines


def test_an_occurrence_past_its_deadline_is_skipped() -> None:
    late = a_job(scheduled_at=NOW - 3 * HOUR, start_within=HOUR)
    assert summary(account(late, [], context())) == ["skipped 3 h ago: deadline"]
    just = a_job(scheduled_at=NOW - HOUR, start_within=HOUR)
    assert summary(account(just, [], context())) == ["catch_up 1 h ago"]


def test_a_run_skipped_for_its_deadline_does_not_block_the_next() -> None:
    job = daily(24, start_within=HOUR)
    long_misfire = context(misfire=3 * DAY)
    assert summary(account(job, [], long_misfire)) == ["skipped 24 h ago: deadline", "schedule 0 h ago"]


def test_a_run_wakes_at_its_deadline_if_that_is_before_the_redelivery() -> None:
    for start_within, wake_at in (
        (10 * SECOND, NOW + 10 * SECOND),
        (HOUR, NOW + 30 * SECOND),
        (None, NOW + 30 * SECOND),
    ):
        event = first_event(a_job(start_within=start_within), context())
        assert event.wake_at == wake_at


def test_a_run_whose_message_the_scheduler_sends_later_is_due_at_once() -> None:
    event = first_event(a_job(start_within=HOUR), context(dispatch=0))
    assert (event.dispatch, event.wake_at, event.start_by) == (0, NOW, NOW + HOUR)


def first_event(job: Job, decision_context: DecisionContext) -> RunDispatched:
    fact = account(job, [], decision_context)[0]
    assert isinstance(fact, RunFact)
    assert isinstance(fact.event, RunDispatched)
    return fact.event


def test_a_first_event_holds_the_fields_of_the_job() -> None:
    job = replace(daily(0, task="t", queue="q", priority=9, max_retries=5), version=3, definition_version=4)
    (fact,) = account(job, [], context())
    assert isinstance(fact, RunFact)
    assert fact.run_id == run_id_at(JOB_ID, NOW)
    identity = {field.name: getattr(fact.event, field.name) for field in fields(Identity)}
    assert identity == {
        "job_id": JOB_ID,
        "job_name": "nightly report",
        "job_version": 3,
        "definition_at": 4,
        "task": "t",
        "queue": "q",
        "priority": 9,
        "nominal_at": NOW,
        "due_at": NOW,
        "trigger": Trigger.SCHEDULE,
        "max_attempts": 6,
        "backoff": job.definition.backoff,
        "notify": Notify(),
        "concurrency": None,
        "rate": None,
        "pause_on_failure": False,
        "cause": None,
        "next_at": NOW + DAY,
        "next_due_at": None,
        "at": NOW,
    }


def test_an_occurrence_beyond_the_limit_of_active_runs_is_skipped() -> None:
    job = a_job(scheduled_at=NOW - 2 * HOUR, recurrence=Every(HOUR), overlap=Overlap.ALLOW_ALL)
    active = [replace(a_run(), id=UUID(int=n)) for n in range(2)]
    on_time = context(misfire=DAY, max_active=4)
    assert summary(account(job, active, on_time)) == [
        "schedule 2 h ago",
        "schedule 1 h ago",
        "skipped 0 h ago: max_active_runs",
    ]


def test_a_backlog_pauses_at_the_limit_of_active_runs_instead_of_being_skipped() -> None:
    missed = daily(73, catch_up=CatchUp("all"), overlap=Overlap.ALLOW_ALL)
    assert summary(account(missed, [], context(max_active=2))) == ["catch_up 73 h ago", "catch_up 49 h ago"]
    caught_up = [replace(a_running_run(n), trigger=Trigger.CATCH_UP) for n in range(2)]
    assert account(daily(0, catch_up=CatchUp("all")), caught_up, context(max_active=2)) == []


def test_an_occurrence_that_ends_others_may_start_at_the_limit_of_active_runs() -> None:
    job = a_job(recurrence=Every(HOUR), overlap=Overlap.TERMINATE_OTHER)
    *_, opened = account(job, [a_run()], context(max_active=1))
    assert summary([opened]) == ["schedule 0 h ago"]
