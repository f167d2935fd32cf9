"""How many runs a forecast has at once."""

from typing import Any
from uuid import UUID

from duebook_api.schedules.forecast.durations import AttemptDuration, MeasuredDurations
from duebook_common.domain.definition import Cron, Every, Overlap
from support.forecasts import START, a_forecast, a_schedule, measured
from support.samples import DAY, HOUR, MINUTE, SECOND


def peaks(forecast: Any, queue: int = 0) -> tuple[int, int]:
    peak = forecast["queues"][queue]["peak"]
    return peak["mean"]["runs"], peak["p95"]["runs"]


def test_the_peak_follows_from_the_measured_durations() -> None:
    every: dict[str, Any] = {"recurrence": Every(10 * MINUTE), "overlap": Overlap.ALLOW_ALL}
    forecast = a_forecast(a_schedule(1, **every), durations=measured(log=1500))
    assert peaks(forecast) == (3, 5)
    assert forecast["queues"][0]["peak"]["mean"]["at"] == START + 20 * MINUTE
    assert forecast["queues"][0]["peak"]["hours_looked_at"] == "all"
    alone = a_forecast(a_schedule(1, recurrence=Every(10 * MINUTE)), durations=measured(log=1500))
    assert peaks(alone) == (1, 1)  # a run that is due during another one is skipped
    touching = a_forecast(a_schedule(1, **every), durations=measured(log=600))
    assert peaks(touching)[0] == 1  # a run that ends at the instant when one starts does not count


def test_attempts_that_take_no_measurable_time_make_no_peak() -> None:
    forecast = a_forecast(a_schedule(recurrence=Cron("0 * * * *"), task="log"), durations=measured(log=0.0))
    assert forecast["queues"][0]["peak"]["p95"] == {"runs": 0, "at": None}


def test_each_queue_has_its_peak_and_a_job_its_duration_before_its_task() -> None:
    durations = MeasuredDurations(jobs={UUID(int=1): AttemptDuration(7200, 7200)}, tasks={"log": AttemptDuration(1, 1)})
    schedules = [
        a_schedule(n, scheduled_at=START + n * MINUTE, queue="slow" if n < 3 else "quick") for n in range(1, 6)
    ]
    forecast = a_forecast(*schedules, durations=durations)
    assert [(each["queue"], each["runs"], each["unmeasured_jobs"]) for each in forecast["queues"]] == [
        ("quick", 3, 0), ("slow", 2, 0),
    ]  # fmt: skip
    assert (peaks(forecast, 0), peaks(forecast, 1)) == ((1, 1), (2, 2))
    assert a_forecast(schedules[0])["queues"][0]["unmeasured_jobs"] == 1


def test_jitter_lowers_the_peak() -> None:
    at_once = a_forecast(*(a_schedule(n) for n in range(50)), durations=measured(log=1))
    spread = a_forecast(*(a_schedule(n, jitter=HOUR) for n in range(50)), durations=measured(log=1))
    assert peaks(at_once) == (50, 50)
    assert peaks(spread)[0] < 5


def test_of_very_many_runs_the_busiest_hours_are_searched() -> None:
    busy = a_schedule(1, recurrence=Every(SECOND), overlap=Overlap.ALLOW_ALL)
    crowd = [a_schedule(n, scheduled_at=START + 15 * HOUR) for n in range(2, 40)]
    forecast = a_forecast(busy, *crowd, durations=measured(log=90), length=10 * DAY)
    peak = forecast["queues"][0]["peak"]
    assert peak["mean"] == {"runs": 90 + 38, "at": START + 15 * HOUR}
    assert 1 <= peak["hours_looked_at"] <= 24
