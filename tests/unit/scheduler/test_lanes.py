"""The next due time over all lanes."""

from duebook_scheduler.lanes import earliest, gaps_between, next_look
from duebook_scheduler.looks import Lane, LaneId
from support.samples import HOUR, MINUTE, NOW, SECOND


def test_the_next_due_time_is_the_earliest_in_the_future() -> None:
    found = [Lane("a", 4, NOW + HOUR), Lane("b", 9, NOW - HOUR), Lane("a", 0, NOW + MINUTE), Lane("c", 4, NOW)]
    assert earliest(found, NOW) == NOW + MINUTE


def test_without_a_future_time_there_is_no_next_due_time() -> None:
    assert earliest([], NOW) is None
    assert earliest([Lane("a", 4, NOW)], NOW) is None


def test_without_looking_ahead_the_next_look_is_the_next_due_time() -> None:
    found = [Lane("a", 4, NOW + HOUR), Lane("b", 4, NOW + MINUTE), Lane("c", 4, NOW)]
    assert next_look(found, NOW, 0 * SECOND) == NOW + MINUTE
    assert next_look([], NOW, 0 * SECOND) is None


def test_rows_are_looked_at_shortly_before_they_are_due() -> None:
    assert next_look([Lane("a", 4, NOW + MINUTE)], NOW, SECOND) == NOW + MINUTE - 0.8 * SECOND


def test_a_lane_whose_first_row_is_not_decided_ahead_is_looked_at_again() -> None:
    within = Lane("a", 4, NOW + 0.9 * SECOND)
    assert next_look([within, Lane("b", 4, NOW + HOUR)], NOW, SECOND) == NOW + SECOND / 3
    assert next_look([Lane("a", 4, NOW + 0.1 * SECOND)], NOW, SECOND) == NOW + 0.1 * SECOND


def test_other_lanes_may_be_between_known_priorities_and_known_queues() -> None:
    known = [LaneId("a", 0), LaneId("a", 4), LaneId("a", 5), LaneId("b", 9)]
    queues, lower, upper, lower_queues, upper_queues = gaps_between(known)
    most = 2**15 - 1
    assert [*zip(queues, lower, upper, strict=True)] == [("a", 0, 4), ("a", 5, most), ("b", -1, 9), ("b", 9, most)]
    assert [*zip(lower_queues, upper_queues, strict=True)] == [("", "a"), ("a", "b"), ("b", "~")]


def test_without_known_lanes_any_queue_may_have_one() -> None:
    assert gaps_between([]) == ([], [], [], [""], ["~"])
