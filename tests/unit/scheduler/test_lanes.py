"""The next due time over all lanes."""

from duebook_scheduler.lanes import Lane, earliest
from support.samples import HOUR, MINUTE, NOW


def test_the_next_due_time_is_the_earliest_in_the_future() -> None:
    found = [Lane("a", 4, NOW + HOUR), Lane("b", 9, NOW - HOUR), Lane("a", 0, NOW + MINUTE), Lane("c", 4, NOW)]
    assert earliest(found, NOW) == NOW + MINUTE


def test_without_a_future_time_there_is_no_next_due_time() -> None:
    assert earliest([], NOW) is None
    assert earliest([Lane("a", 4, NOW)], NOW) is None
