from duebook_scheduler.lanes import Lane, earliest
from support.samples import HOUR, MINUTE, NOW


def test_the_next_time_is_the_earliest_that_has_not_come_yet() -> None:
    found = [Lane("a", 4, NOW + HOUR), Lane("b", 9, NOW - HOUR), Lane("a", 0, NOW + MINUTE), Lane("c", 4, NOW)]
    assert earliest(found, NOW) == NOW + MINUTE


def test_where_nothing_lies_ahead_there_is_no_next_time() -> None:
    assert earliest([], NOW) is None
    assert earliest([Lane("a", 4, NOW)], NOW) is None
