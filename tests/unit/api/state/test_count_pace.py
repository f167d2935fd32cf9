"""A count that takes long is repeated seldom, also if it fails."""

from datetime import timedelta

import pytest
from asyncpg import QueryCanceledError
from structlog.testing import capture_logs

from duebook_api.state.count_pace import CountPace


@pytest.mark.parametrize(("took", "seconds"), [(0.01, 5), (0.25, 5), (1, 20), (15, 300), (40, 300)])
def test_a_count_takes_a_twentieth_of_the_time_at_most(took: float, seconds: float) -> None:
    times = iter((100.0, 100.0 + took))
    pace = CountPace(5, lambda: next(times))
    assert pace.pause() == timedelta(seconds=5)
    with pace.count():
        pass
    assert pace.pause() == timedelta(seconds=seconds)


def test_a_count_that_was_cancelled_is_logged_and_repeated_as_seldom() -> None:
    times = iter((0.0, 15.0))
    pace = CountPace(5, lambda: next(times))
    with capture_logs() as logs, pace.count():
        raise QueryCanceledError("canceling statement due to statement timeout")
    assert [line["log_level"] for line in logs] == ["warning"]
    assert pace.pause() == timedelta(minutes=5)


def test_another_error_is_that_of_the_loop() -> None:
    with pytest.raises(OSError, match="gone"), CountPace(5).count():
        raise OSError("gone")
