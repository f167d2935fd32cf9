"""Which range of rows the parameters of statistics mean, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duebook_api.http.problems import Problem
from duebook_api.stats.query import StatsQuery
from duebook_common.domain.statistics import DAY, FIVE_MINUTES, HOUR, MINUTE, Dimension
from duebook_common.store.statistics_queries import StatisticsRange

NOW = datetime(2026, 6, 1, 12, 34, 56, tzinfo=UTC)


def wanted(**parameters: Any) -> StatisticsRange:
    return StatsQuery.model_validate(parameters).range(NOW)


def test_without_parameters_it_is_the_last_day_by_the_hour() -> None:
    start = datetime(2026, 5, 31, 12, tzinfo=UTC)
    assert wanted() == StatisticsRange(start, start + 25 * HOUR, HOUR, HOUR, Dimension.ALL)


@pytest.mark.parametrize(
    ("step", "base"),
    [
        ("PT1M", MINUTE),
        ("PT7M", MINUTE),
        ("PT5M", FIVE_MINUTES),
        ("PT90M", FIVE_MINUTES),
        ("PT3H", HOUR),
        ("P1D", DAY),
        ("P7D", DAY),
    ],
)
def test_a_step_is_added_up_from_the_longest_counted_one(step: str, base: timedelta) -> None:
    found = wanted(step=step, **{"from": "2026-06-01T00:00:00Z"})
    assert found.base == base
    assert (found.start.timestamp() % found.step.total_seconds(), found.start <= NOW < found.end) == (0, True)


@pytest.mark.parametrize(
    ("parameters", "dimension"),
    [
        ({"by": "task"}, Dimension.TASK),
        ({"queue": "q"}, Dimension.QUEUE),
        ({"queue": "q", "by": "queue"}, Dimension.QUEUE),
        ({"job_id": "01A218F6-cf4d-72cb-8988-eac87f8c671c"}, Dimension.JOB),
    ],
)
def test_a_key_says_what_it_is(parameters: dict[str, str], dimension: Dimension) -> None:
    assert wanted(**parameters).dimension is dimension


@pytest.mark.parametrize(
    ("parameters", "pointer", "says"),
    [
        ({"from": "2026-06-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"}, "/from", "earlier"),
        ({"from": "2026-03-01T00:00:00Z"}, "/from", "P1D"),
        ({"from": "2026-05-29T12:00:00Z", "step": "PT1M"}, "/from", "PT1H"),
        ({"from": "2026-05-26T12:00:00Z", "step": "PT5M"}, "/from", "PT1H"),
        ({"from": "2019-01-01T00:00:00Z", "step": "P1D"}, "/from", "shorter"),
        ({"from": "2026-04-01T00:00:00Z", "by": "job"}, "/from", "later"),
        ({"step": "PT30S"}, "/step", "PT1M"),
        ({"step": "PT30M", "by": "job"}, "/step", "PT1H"),
        ({"by": "task", "queue": "q"}, "/queue", "one of them"),
        ({"task": "t", "queue": "q"}, "/task", "one of them"),
        ({"from": "2026-05-10T00:00:00Z", "by": "queue", "keys": 50}, "/keys", "fewer keys"),
    ],
)
def test_what_is_not_counted_or_too_much_is_refused(parameters: dict[str, Any], pointer: str, says: str) -> None:
    with pytest.raises(Problem) as caught:
        wanted(**parameters)
    [fault] = caught.value.faults
    assert (fault.pointer, says in fault.message) == (pointer, True)
