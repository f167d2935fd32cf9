"""For how long the horizon has stood still, from what one process sees of it."""

from duebook_common.store.log_progress import Horizon


def test_a_horizon_that_stands_still_ages_and_one_that_moves_does_not() -> None:
    horizon = Horizon()
    assert [horizon.observe(7, 9, 10.0), horizon.observe(7, 20, 15.0), horizon.observe(7, 21, 70.0)] == [0, 5, 60]
    assert [horizon.observe(20, 22, 75.0), horizon.observe(20, 23, 80.0)] == [0, 5]


def test_a_quiet_cluster_holds_nothing_back() -> None:
    """There the oldest is the next transaction, for hours; it may even be one that writes, with nothing after it."""
    horizon = Horizon()
    assert [horizon.observe(7, 7, float(now)) for now in (0, 3_600, 7_200)] == [0, 0, 0]
    assert horizon.observe(7, 8, 7_205.0) == 0, "it was noticed just now"
    assert horizon.observe(7, 9, 7_210.0) == 5
