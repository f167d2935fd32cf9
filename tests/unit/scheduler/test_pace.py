"""How often a query that may be slow is repeated."""

import pytest

from duebook_scheduler.pace import Pace


def paced(*costs: float) -> Pace:
    pace = Pace()
    for cost in costs:
        pace.took(cost)
    return pace


def test_a_quick_query_needs_no_pause() -> None:
    assert paced().pause(0.001) == 0
    assert paced(0.001).pause(0.001) == 0


def test_a_slow_query_takes_a_fiftieth_of_the_time() -> None:
    assert paced(*[0.1] * 4, 0.2).pause(0.001) == pytest.approx(5)


def test_the_shortest_of_the_last_five_counts() -> None:
    assert paced(0.001, 0.3, 0.4, 0.5, 0.6).pause(0.001) == 0
    assert paced(0.001, 0.3, 0.4, 0.5, 0.6, 0.7).pause(0.001) == pytest.approx(15)


def test_no_pause_is_longer_than_five_minutes() -> None:
    assert paced(*[15.0] * 5).pause(0.001) == 300


def test_the_first_times_say_nothing() -> None:
    assert paced(*[0.1] * 4).pause(0.001) == 0
