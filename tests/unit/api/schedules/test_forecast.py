"""Forecasts from the schedules of jobs, as they are and as changes would make them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_api.schedules.forecast import counts, differences, forecast, job_schedules
from duebook_api.schedules.forecast.counts import ForecastTooLarge, hourly_counts, step_counts
from duebook_api.schedules.forecast.differences import JobChange, changed_times, least_compared
from duebook_api.schedules.forecast.durations import MeasuredDurations
from duebook_api.schedules.forecast.forecast import compute_comparison
from duebook_api.schedules.forecast.job_schedules import JobSchedule
from duebook_common.domain.definition import Cron, Dst, Every
from duebook_common.domain.schedule.nominal import count_between, nominal_times
from support.cost import cpu_seconds
from support.forecasts import START, a_forecast, a_schedule, measured
from support.samples import DAY, HOUR, MINUTE, SECOND

ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe"]


def hours(forecast: Any) -> dict[int, int]:
    return {each["at"].hour: each["runs"] for each in forecast["hours"]}


def test_runs_are_counted_by_the_hour_and_empty_hours_are_left_out() -> None:
    forecast = a_forecast(
        a_schedule(1, scheduled_at=START + 90 * MINUTE), a_schedule(2, recurrence=Cron("*/10 1-2 * * *"))
    )
    assert (forecast["jobs"], forecast["runs"]) == (2, 13)
    assert hours(forecast) == {1: 7, 2: 6}
    assert "added" not in forecast


@given(
    recurrence=st.sampled_from(
        ["none", "daily", "weekly", Cron("*/7 * * * *"), Cron("30 1,2 * * *"), Every(17 * MINUTE), Every(11 * SECOND)]
    ),
    zone=st.sampled_from(ZONES),
    offset=st.integers(-100, 400),
    length=st.integers(1, 300),
    left=st.none() | st.integers(0, 2000),
)
def test_the_hours_agree_with_a_count_of_each_time(
    recurrence: Any, zone: str, offset: int, length: int, left: int | None
) -> None:
    begin = datetime(2026, 10, 24, 0, 20, tzinfo=UTC)
    schedule = a_schedule(left=left, scheduled_at=begin, recurrence=recurrence, timezone=zone)
    start = begin + offset * 10 * MINUTE
    end = start + length * 10 * MINUTE
    expected = Counter[datetime]()
    for n, at in enumerate(nominal_times(schedule.definition)):
        if at >= end or n == left:
            break
        if at >= start:
            expected[at.replace(minute=0, second=0, microsecond=0)] += 1
    forecast = a_forecast(schedule, start=start, length=end - start)
    assert {each["at"]: each["runs"] for each in forecast["hours"]} == dict(expected)


def test_a_year_of_seconds_is_counted_by_the_hour() -> None:
    """A step for each of 35 million runs takes many seconds of CPU time, a step for each hour some milliseconds."""
    jobs = [a_schedule(recurrence=Every(SECOND))]
    [counts] = hourly_counts(jobs, START, START + 400 * DAY)
    assert counts.runs == 400 * 86400
    assert cpu_seconds(lambda: hourly_counts(jobs, START, START + 400 * DAY)) < 3


def test_a_forecast_of_a_year_of_seconds_is_computed_in_time() -> None:
    """The peaks of the busiest hours are the expensive part."""
    jobs = [a_schedule(recurrence=Every(SECOND))]
    assert a_forecast(*jobs, length=400 * DAY)["runs"] == 400 * 86400
    assert cpu_seconds(lambda: a_forecast(*jobs, length=400 * DAY)) < 5


@given(st.sampled_from([SECOND, 90 * SECOND, 7 * MINUTE, HOUR]), st.integers(0, 3_000))
def test_the_counts_of_short_steps_are_those_of_the_hours(every: timedelta, later: int) -> None:
    start = START + later * SECOND
    jobs = [a_schedule(recurrence=Every(every)), a_schedule(2, recurrence=Every(11 * MINUTE))]
    [first, second] = hourly_counts(jobs, start, start + 3 * HOUR)
    steps = step_counts(jobs, start, start + 3 * HOUR, 5 * MINUTE, 1_000)
    by_hour = Counter[int]()
    for step, runs in steps.items():
        by_hour[step // 12] += runs
    assert by_hour == first.hours + second.hours


def test_more_steps_than_wanted_are_refused() -> None:
    with pytest.raises(ForecastTooLarge):
        step_counts([a_schedule(recurrence=Every(SECOND))], START, START + 3 * HOUR, 5 * MINUTE, 30)


def test_more_hours_than_a_forecast_may_count_are_refused() -> None:
    jobs = [a_schedule(n, recurrence=Every(SECOND)) for n in range(60)]
    with pytest.raises(ForecastTooLarge, match="more than 500,000 hours, counted separately for each job; ask for a"):
        hourly_counts(jobs, START, START + 400 * DAY)


def test_intervals_in_too_many_hours_are_refused_before_any_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting until the limit takes more than a second."""
    jobs = [a_schedule(n, recurrence=Every(MINUTE)) for n in range(1000)]
    counted = Mock()
    monkeypatch.setattr(counts, "_count", counted)
    with pytest.raises(ForecastTooLarge, match="more than 500,000 hours"):
        a_forecast(*jobs, length=400 * DAY)
    assert not counted.called


def test_days_that_are_alike_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Mock(wraps=counts._runs_by_step)
    monkeypatch.setattr(counts, "_runs_by_step", counted)
    jobs = [a_schedule(n, recurrence=Cron("* * * * *")) for n in range(5)]
    assert sum(job.runs for job in hourly_counts(jobs, START, START + 100 * DAY)) == 5 * 100 * 1440
    assert counted.call_count == len(jobs)


@pytest.mark.parametrize("recurrence", [Cron("0 * * * *"), Every(HOUR)])
def test_runs_before_the_window_are_counted_once(monkeypatch: pytest.MonkeyPatch, recurrence: Cron | Every) -> None:
    """Of a job with `max_runs` they take a step for each day."""
    counted = Mock(wraps=count_between)
    monkeypatch.setattr(job_schedules, "count_between", counted)
    [job] = hourly_counts([a_schedule(left=1000, recurrence=recurrence)], START + 30 * DAY, START + 31 * DAY)
    assert job.runs == 24
    assert counted.call_count == 1


def test_max_runs_limits_a_forecast_wherever_its_window_is() -> None:
    schedule = a_schedule(left=5, recurrence=Every(HOUR))
    assert a_forecast(schedule)["runs"] == 5
    assert a_forecast(schedule, start=START + 3 * HOUR)["runs"] == 2
    assert a_forecast(schedule, start=START + 5 * HOUR)["runs"] == 0
    assert a_forecast(JobSchedule(job_id=None, definition=schedule.definition, next_at=None))["runs"] == 0


# --- changes ------------------------------------------------------------------------------------------------


def test_a_new_time_of_day_removes_the_old_times_and_adds_the_new() -> None:
    before, after = a_schedule(), a_schedule(scheduled_at=START + HOUR)
    forecast = a_forecast(after, changes=[JobChange(before, after)], length=3 * DAY)
    assert [each["nominal_at"] for each in forecast["added"]["times"]] == [START + n * DAY + HOUR for n in range(3)]
    assert [each["nominal_at"] for each in forecast["removed"]["times"]] == [START + n * DAY for n in range(3)]
    assert (forecast["added"]["count"], forecast["removed"]["count"], forecast["runs"]) == (3, 3, 3)
    assert forecast["added"]["times"][0]["job_id"] == UUID(int=1)


def test_times_of_both_schedules_are_neither_added_nor_removed() -> None:
    hourly, half = a_schedule(recurrence=Every(HOUR)), a_schedule(recurrence=Every(30 * MINUTE))
    forecast = a_forecast(half, changes=[JobChange(hourly, half)])
    assert (forecast["added"]["count"], forecast["removed"]["count"]) == (24, 0)
    same = a_forecast(half, changes=[JobChange(half, a_schedule(recurrence=Every(30 * MINUTE), queue="other"))])
    assert (same["added"]["count"], same["removed"]["count"]) == (0, 0)


def test_all_times_of_created_and_deleted_jobs_count_and_a_hundred_are_shown() -> None:
    new, old = a_schedule(recurrence=Every(SECOND)), a_schedule(2, recurrence=Every(MINUTE))
    forecast = a_forecast(new, changes=[JobChange(None, new), JobChange(old, None)], length=30 * DAY)
    assert (forecast["added"]["count"], len(forecast["added"]["times"])) == (30 * 86400, 100)
    assert (forecast["removed"]["count"], len(forecast["removed"]["times"])) == (30 * 1440, 100)
    two = a_forecast(
        changes=[JobChange(None, a_schedule(1)), JobChange(None, a_schedule(2, scheduled_at=START - HOUR))],
        length=2 * DAY,
    )
    assert [each["job_id"].int for each in two["added"]["times"]] == [1, 2, 1, 2]


def test_too_many_changed_times_are_refused_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the early refusal this takes some seconds."""
    computed = Mock()
    monkeypatch.setattr(forecast, "hourly_counts", computed)
    monkeypatch.setattr(differences, "_compare", computed)
    pairs = [(a_schedule(n, recurrence=Every(SECOND)), a_schedule(n, recurrence=Every(2 * SECOND))) for n in range(100)]
    changes = [JobChange(*pair) for pair in pairs]
    with pytest.raises(ForecastTooLarge, match="more than 500,000 nominal times"):
        a_forecast(*[after for _, after in pairs], changes=changes)
    with pytest.raises(ForecastTooLarge, match="more than 500,000 nominal times"):
        compute_comparison([], [before for before, _ in pairs], changes, MeasuredDurations(), START, START + DAY)
    assert not computed.called


def test_a_comparison_visits_each_time_of_the_longer_schedule_at_least() -> None:
    hourly, daily = a_schedule(1, recurrence=Every(HOUR)), a_schedule(1, recurrence=Every(DAY))
    changes = [JobChange(hourly, daily), JobChange(daily, hourly), JobChange(hourly, hourly), JobChange(None, hourly)]
    assert least_compared(changes, (START, START + DAY)) == 48


def test_a_comparison_of_too_many_times_is_refused() -> None:
    change = JobChange(a_schedule(recurrence=Every(SECOND)), a_schedule(recurrence=Every(2 * SECOND)))
    with pytest.raises(ForecastTooLarge, match="more than 500,000 nominal times"):
        changed_times([change], START, START + 10 * DAY)


# --- DST transitions ----------------------------------------------------------------------------------------


def test_jobs_with_times_in_a_gap_or_a_fold_are_listed_with_its_transition() -> None:
    begin = datetime(2027, 3, 1, tzinfo=UTC)
    fields: dict[str, Any] = {"scheduled_at": begin, "timezone": "Europe/Berlin"}
    schedules = [
        a_schedule(1, recurrence=Cron("30 2 * * *"), **fields),
        a_schedule(2, recurrence=Cron("30 2 * * *"), dst=Dst("skip", "both"), **fields),
        a_schedule(3, recurrence=Cron("0 12 * * *"), **fields),
        a_schedule(4, recurrence=Every(HOUR), **fields),
        a_schedule(5, recurrence="daily", scheduled_at=begin, timezone="America/New_York"),
    ]
    changes = a_forecast(*schedules, start=begin, length=300 * DAY)["clock_changes"]
    assert [(each["timezone"], each["at"].month, each["jobs_hit"]) for each in changes] == [
        ("America/New_York", 3, 0), ("Europe/Berlin", 3, 2), ("Europe/Berlin", 10, 2), ("America/New_York", 11, 0),
    ]  # fmt: skip
    assert changes[1]["says"] == "on 2027-03-28 the clocks in Europe/Berlin go from 02:00 to 03:00"
    assert [(each["job_id"].int, each["falls_in"], each["does"]) for each in changes[1]["jobs"]] == [
        (1, "gap", "runs when the gap ends (dst.gap run_after)"), (2, "gap", "is left out (dst.gap skip)"),
    ]  # fmt: skip
    assert [(each["falls_in"], each["does"]) for each in changes[2]["jobs"]] == [
        ("fold", "runs the first time (dst.fold first)"), ("fold", "runs both times (dst.fold both)"),
    ]  # fmt: skip


def test_a_window_without_runs_has_an_empty_forecast() -> None:
    forecast = a_forecast(a_schedule(scheduled_at=START + 9 * DAY))
    assert (forecast["jobs"], forecast["runs"]) == (0, 0)
    assert [forecast[field] for field in ("hours", "queues", "clock_changes")] == [[], [], []]


def test_a_comparison_has_both_forecasts_and_computes_other_queues_once() -> None:
    others = [a_schedule(n, queue=f"queue-{n}", recurrence=Every(HOUR)) for n in range(3)]
    before, after = (a_schedule(9, queue="queue-0", recurrence=Every(n * HOUR)) for n in (1, 2))
    changes, measures = [JobChange(before, after)], measured(log=7200)
    found = compute_comparison(others, [before], changes, measures, START, START + DAY)
    expected = (
        a_forecast(*others, after, changes=changes, durations=measures),
        a_forecast(*others, before, durations=measures),
    )
    assert found == expected
    same = [one is other for one, other in zip(*(each["queues"] for each in found), strict=True)]
    assert same == [False, True, True]
