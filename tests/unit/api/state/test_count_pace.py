"""A count that takes long is repeated less often, and seldom only if it is cancelled again and again."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from asyncpg import QueryCanceledError
from structlog.testing import capture_logs

from duebook_api.state.count_pace import CountPace
from duebook_common.runtime.telemetry import LOOP_FAILURES


@pytest.mark.parametrize(("took", "seconds"), [(0.01, 5), (0.25, 5), (1, 20), (14, 30), (40, 30)])
def test_the_gauges_of_a_slow_count_are_half_a_minute_old_at_most(took: float, seconds: float) -> None:
    times = iter((100.0, 100.0 + took))
    pace = CountPace("gauges", 5, lambda: next(times))
    assert pace.pause() == timedelta(seconds=5)
    with pace.count():
        pass
    assert pace.pause() == timedelta(seconds=seconds)


def test_counts_that_are_cancelled_again_and_again_are_made_seldom() -> None:
    pace = CountPace("gauges", 5, lambda: 0.0)
    assert list(pauses_after_cancellations(pace, 5)) == [30, 60, 120, 240, 300]
    with pace.count():
        pass
    assert pace.pause() == timedelta(seconds=5)
    assert list(pauses_after_cancellations(pace, 1)) == [30]


def test_a_count_that_was_cancelled_is_logged_with_a_remedy_and_counted() -> None:
    failures = LOOP_FAILURES.labels("a slow count")
    with capture_logs() as logs:
        list(pauses_after_cancellations(CountPace("a slow count", 5), 1))
    assert [(line["log_level"], line["seconds"], "VACUUM" in line["remedy"]) for line in logs] == [
        ("warning", 30, True)
    ]
    assert failures._value.get() == 1


def pauses_after_cancellations(pace: CountPace, times: int) -> Iterator[float]:
    for _ in range(times):
        with pace.count():
            raise QueryCanceledError("canceling statement due to statement timeout")
        yield pace.pause().total_seconds()


def test_another_error_is_that_of_the_loop() -> None:
    with pytest.raises(OSError, match="gone"), CountPace("gauges", 5).count():
        raise OSError("gone")
