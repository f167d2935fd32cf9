"""What is to come, foretold from jobs as they stand or would stand."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_api.schedules.forecast import counts, differences
from duebook_api.schedules.forecast.counts import TooMuch
from duebook_api.schedules.forecast.differences import Change
from duebook_api.schedules.forecast.forecast import MeasuredDurations, foretell
from duebook_api.schedules.forecast.plans import Lasting, Plan
from duebook_common.domain.definition import Cron, Dst, Every, Overlap
from duebook_common.domain.schedule.nominal import nominal_times
from support.samples import DAY, HOUR, MINUTE, NOW, SECOND, a_definition

START, ZONES = NOW.replace(hour=0), ["UTC", "Europe/Berlin", "Australia/Lord_Howe"]


def a_plan(number: int = 1, left: int | None = None, **fields: Any) -> Plan:
    """A job that begins with the window."""
    definition = a_definition(**{"scheduled_at": START, "recurrence": "daily", **fields})
    return Plan(job_id=UUID(int=number), definition=definition, first=next(nominal_times(definition), None), left=left)


def a_forecast(
    *plans: Plan,
    changes: list[Change] | None = None,
    measured: MeasuredDurations | None = None,
    start: datetime = START,
    length: timedelta = DAY,
) -> Any:
    return foretell(plans, changes, measured or MeasuredDurations(), start, start + length)


def lasting(**seconds: float) -> MeasuredDurations:
    """Tasks whose attempts take that long, on average and nearly always."""
    return MeasuredDurations(tasks={task: Lasting(mean, 2 * mean) for task, mean in seconds.items()})


def hours(told: Any) -> dict[int, int]:
    return {each["at"].hour: each["runs"] for each in told["hours"]}


def test_runs_are_counted_by_the_hour_and_hours_without_runs_are_left_out() -> None:
    told = a_forecast(a_plan(1, scheduled_at=START + 90 * MINUTE), a_plan(2, recurrence=Cron("*/10 1-2 * * *")))
    assert (told["jobs"], told["runs"]) == (2, 13)
    assert hours(told) == {1: 7, 2: 6}
    assert "added" not in told


@given(
    recurrence=st.sampled_from(
        ["none", "daily", "weekly", Cron("*/7 * * * *"), Cron("30 1,2 * * *"), Every(17 * MINUTE), Every(11 * SECOND)]
    ),
    zone=st.sampled_from(ZONES),
    offset=st.integers(-100, 400),
    length=st.integers(1, 300),
    left=st.none() | st.integers(0, 2000),
)
def test_the_hours_hold_what_a_look_at_each_time_would_count(
    recurrence: Any, zone: str, offset: int, length: int, left: int | None
) -> None:
    begin = datetime(2026, 10, 24, 0, 20, tzinfo=UTC)
    plan = a_plan(left=left, scheduled_at=begin, recurrence=recurrence, timezone=zone)
    start = begin + offset * 10 * MINUTE
    end = start + length * 10 * MINUTE
    wanted = Counter[datetime]()
    for n, at in enumerate(nominal_times(plan.definition)):
        if at >= end or n == left:
            break
        if at >= start:
            wanted[at.replace(minute=0, second=0, microsecond=0)] += 1
    told = a_forecast(plan, start=start, length=end - start)
    assert {each["at"]: each["runs"] for each in told["hours"]} == dict(wanted)


def test_seconds_of_a_year_are_counted_without_a_look_at_each_and_too_many_hours_are_refused() -> None:
    begun = time.process_time()
    told = a_forecast(a_plan(recurrence=Every(SECOND)), length=400 * DAY)
    assert told["runs"] == 400 * 86400
    assert time.process_time() - begun < 15
    jobs = [a_plan(n, recurrence=Every(SECOND)) for n in range(60)]
    with pytest.raises(TooMuch, match="more than 500,000 hours, counted for each job by itself; ask for a shorter"):
        counts.count(jobs, START, START + 400 * DAY)


def test_max_runs_bounds_what_is_to_come_wherever_the_window_lies() -> None:
    plan = a_plan(left=5, recurrence=Every(HOUR))
    assert a_forecast(plan)["runs"] == 5
    assert a_forecast(plan, start=START + 3 * HOUR)["runs"] == 2
    assert a_forecast(plan, start=START + 5 * HOUR)["runs"] == 0
    assert a_forecast(Plan(job_id=None, definition=plan.definition, first=None))["runs"] == 0


# --- changes ------------------------------------------------------------------------------------------------


def test_a_change_of_the_time_removes_the_old_times_and_adds_the_new() -> None:
    before, after = a_plan(), a_plan(scheduled_at=START + HOUR)
    told = a_forecast(after, changes=[Change(before, after)], length=3 * DAY)
    assert [each["nominal_at"] for each in told["added"]["times"]] == [START + n * DAY + HOUR for n in range(3)]
    assert [each["nominal_at"] for each in told["removed"]["times"]] == [START + n * DAY for n in range(3)]
    assert (told["added"]["count"], told["removed"]["count"], told["runs"]) == (3, 3, 3)
    assert told["added"]["times"][0]["job_id"] == UUID(int=1)


def test_times_that_both_name_are_neither_added_nor_removed() -> None:
    hourly, half = a_plan(recurrence=Every(HOUR)), a_plan(recurrence=Every(30 * MINUTE))
    told = a_forecast(half, changes=[Change(hourly, half)])
    assert (told["added"]["count"], told["removed"]["count"]) == (24, 0)
    same = a_forecast(half, changes=[Change(half, a_plan(recurrence=Every(30 * MINUTE), queue="other"))])
    assert (same["added"]["count"], same["removed"]["count"]) == (0, 0)


def test_of_created_and_deleted_jobs_all_times_are_counted_and_a_hundred_shown() -> None:
    new, old = a_plan(recurrence=Every(SECOND)), a_plan(2, recurrence=Every(MINUTE))
    told = a_forecast(new, changes=[Change(None, new), Change(old, None)], length=30 * DAY)
    assert (told["added"]["count"], len(told["added"]["times"])) == (30 * 86400, 100)
    assert (told["removed"]["count"], len(told["removed"]["times"])) == (30 * 1440, 100)
    two = a_forecast(
        changes=[Change(None, a_plan(1)), Change(None, a_plan(2, scheduled_at=START - HOUR))], length=2 * DAY
    )
    assert [each["job_id"].int for each in two["added"]["times"]] == [1, 2, 1, 2]


def test_comparing_too_many_times_is_refused() -> None:
    change = Change(a_plan(recurrence=Every(SECOND)), a_plan(recurrence=Every(2 * SECOND)))
    with pytest.raises(TooMuch, match="more than 500,000 nominal times"):
        differences.differences([change], START, START + 10 * DAY)


# --- days on which clocks change ----------------------------------------------------------------------------


def test_jobs_whose_times_fall_into_a_gap_or_a_fold_are_named_on_its_day() -> None:
    begin = datetime(2027, 3, 1, tzinfo=UTC)
    fields: dict[str, Any] = {"scheduled_at": begin, "timezone": "Europe/Berlin"}
    plans = [
        a_plan(1, recurrence=Cron("30 2 * * *"), **fields),
        a_plan(2, recurrence=Cron("30 2 * * *"), dst=Dst("skip", "both"), **fields),
        a_plan(3, recurrence=Cron("0 12 * * *"), **fields),
        a_plan(4, recurrence=Every(HOUR), **fields),
        a_plan(5, recurrence="daily", scheduled_at=begin, timezone="America/New_York"),
    ]
    told = a_forecast(*plans, start=begin, length=300 * DAY)["clock_changes"]
    assert [(each["timezone"], each["at"].month, each["jobs_hit"]) for each in told] == [
        ("America/New_York", 3, 0), ("Europe/Berlin", 3, 2), ("Europe/Berlin", 10, 2), ("America/New_York", 11, 0),
    ]  # fmt: skip
    assert told[1]["says"] == "on 2027-03-28 the clocks in Europe/Berlin go from 02:00 to 03:00"
    assert [(each["job_id"].int, each["falls_in"], each["does"]) for each in told[1]["jobs"]] == [
        (1, "gap", "runs when the gap ends (dst.gap run_after)"), (2, "gap", "is left out (dst.gap skip)"),
    ]  # fmt: skip
    assert [(each["falls_in"], each["does"]) for each in told[2]["jobs"]] == [
        ("fold", "runs the first time (dst.fold first)"), ("fold", "runs both times (dst.fold both)"),
    ]  # fmt: skip


# --- runs at once -------------------------------------------------------------------------------------------


def peaks(told: Any, queue: int = 0) -> tuple[int, int]:
    peak = told["queues"][queue]["peak"]
    return peak["mean"]["runs"], peak["p95"]["runs"]


def test_the_most_runs_at_once_follow_from_how_long_attempts_have_taken() -> None:
    every: dict[str, Any] = {"recurrence": Every(10 * MINUTE), "overlap": Overlap.ALLOW_ALL}
    told = a_forecast(a_plan(1, **every), measured=lasting(log=1500))
    assert peaks(told) == (3, 5)
    assert told["queues"][0]["peak"]["mean"]["at"] == START + 20 * MINUTE
    assert told["queues"][0]["peak"]["hours_looked_at"] == "all"
    alone = a_forecast(a_plan(1, recurrence=Every(10 * MINUTE)), measured=lasting(log=1500))
    assert peaks(alone) == (1, 1)  # a run that is due beside an active one is left out
    touching = a_forecast(a_plan(1, **every), measured=lasting(log=600))
    assert peaks(touching)[0] == 1  # what ends then makes room for what starts


def test_each_queue_has_its_own_peak_and_a_job_its_own_measure_before_its_task() -> None:
    measured = MeasuredDurations(jobs={UUID(int=1): Lasting(7200, 7200)}, tasks={"log": Lasting(1, 1)})
    plans = [a_plan(n, scheduled_at=START + n * MINUTE, queue="slow" if n < 3 else "quick") for n in range(1, 6)]
    told = a_forecast(*plans, measured=measured)
    assert [(each["queue"], each["runs"], each["unmeasured_jobs"]) for each in told["queues"]] == [
        ("quick", 3, 0), ("slow", 2, 0),
    ]  # fmt: skip
    assert (peaks(told, 0), peaks(told, 1)) == ((1, 1), (2, 2))
    assert a_forecast(plans[0])["queues"][0]["unmeasured_jobs"] == 1


def test_jitter_spreads_runs_and_so_lowers_the_peak() -> None:
    at_once = a_forecast(*(a_plan(n) for n in range(50)), measured=lasting(log=1))
    spread = a_forecast(*(a_plan(n, jitter=HOUR) for n in range(50)), measured=lasting(log=1))
    assert peaks(at_once) == (50, 50)
    assert peaks(spread)[0] < 5


def test_of_very_many_runs_the_busiest_hours_are_looked_at() -> None:
    busy = a_plan(1, recurrence=Every(SECOND), overlap=Overlap.ALLOW_ALL)
    crowd = [a_plan(n, scheduled_at=START + 15 * HOUR) for n in range(2, 40)]
    told = a_forecast(busy, *crowd, measured=lasting(log=90), length=10 * DAY)
    peak = told["queues"][0]["peak"]
    assert peak["mean"] == {"runs": 90 + 38, "at": START + 15 * HOUR}
    assert 1 <= peak["hours_looked_at"] <= 24


def test_where_nothing_runs_there_is_no_peak_and_nothing_else() -> None:
    told = a_forecast(a_plan(scheduled_at=START + 9 * DAY))
    assert (told["jobs"], told["runs"], told["hours"], told["queues"], told["clock_changes"]) == (0, 0, [], [], [])
