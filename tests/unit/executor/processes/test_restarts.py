"""How long the parent waits before it starts a child again, and when it stops trying."""

from functools import reduce

from duebook_executor.processes.restarts import MOST_FAILED_STARTS, Restarts


def after(*ends: float | None) -> Restarts:
    """The count after ends of a child that was ready for so many seconds, or never."""
    return reduce(Restarts.after, ends, Restarts())


def test_pauses_grow_with_each_early_end_up_to_half_a_minute() -> None:
    assert [after(*[5.0] * ends).pause for ends in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert [after(*[None] * ends).pause for ends in range(1, 4)] == [1, 2, 4]


def test_a_child_that_was_ready_for_long_is_started_again_soon() -> None:
    assert after(1.0, 1.0, 1.0, 3600.0).pause == 0.5
    assert after(1.0, 1.0, 3600.0, 1.0).pause == 1


def test_only_starts_that_fail_in_a_row_are_hopeless() -> None:
    assert after(*[None] * MOST_FAILED_STARTS).hopeless
    assert not after(*[None] * (MOST_FAILED_STARTS - 1)).hopeless
    assert not after(*[None] * (MOST_FAILED_STARTS - 1), 1.0, None).hopeless
    assert not after(*[1.0] * 100).hopeless
