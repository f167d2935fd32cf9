"""How far ahead jobs are decided: the longer, the more of them are due together."""

from datetime import datetime, timedelta

from duebook_scheduler.crowds import LONGEST_LEAD, DueSoon, Horizon, horizon, is_old, last_ahead
from support.samples import NOW, SECOND

AHEAD = 0.1 * SECOND


def lead(jobs: int) -> timedelta:
    """How long before their common instant so many jobs are decided."""
    look_at = horizon([DueSoon(NOW + 60 * SECOND, jobs)], NOW, AHEAD).look_at
    assert look_at is not None
    return NOW + 60 * SECOND - look_at


def until(due: dict[float, int]) -> datetime:
    return horizon([DueSoon(NOW + at * SECOND, jobs) for at, jobs in due.items()], NOW, AHEAD).until


def test_the_more_jobs_are_due_together_the_longer_ahead_they_are_decided() -> None:
    assert AHEAD < lead(100) < lead(1_000) < lead(5_000) <= LONGEST_LEAD


def test_a_few_jobs_are_decided_by_the_look_ahead_alone() -> None:
    assert horizon([], NOW, AHEAD) == horizon([DueSoon(NOW + SECOND, 5)], NOW, AHEAD) == (NOW + AHEAD, None)


def test_a_crowd_is_begun_once_its_time_has_come() -> None:
    before, after = lead(5_000) + 0.01 * SECOND, lead(5_000) - 0.01 * SECOND
    assert horizon([DueSoon(NOW + before, 5_000)], NOW, AHEAD) == (NOW + AHEAD, NOW + 0.01 * SECOND)
    assert horizon([DueSoon(NOW + after, 5_000)], NOW, AHEAD) == (NOW + after, None)


def test_what_is_due_before_a_crowd_belongs_to_it() -> None:
    assert until({1.0: 40, 1.5: 6_000}) == NOW + 1.5 * SECOND


def test_a_steady_stream_is_no_crowd() -> None:
    """A hundred jobs each second are decided little earlier than one alone."""
    assert until({n / 8: 12 for n in range(1, 60)}) == NOW + AHEAD
    assert until({n / 8: 125 for n in range(1, 60)}) <= NOW + 1.1 * SECOND


def test_ten_thousand_jobs_are_decided_as_long_ahead_as_two_cores_need() -> None:
    """Measured: of 10,000 of a short task 7,600 had been started after 4.2 seconds."""
    assert 6.5 * SECOND < lead(10_000) <= LONGEST_LEAD


def test_a_clock_that_was_set_back_lets_no_job_be_decided_earlier() -> None:
    of_before = Horizon(NOW + 3600 * SECOND, None)
    assert last_ahead(of_before, NOW, AHEAD) == NOW + LONGEST_LEAD
    assert last_ahead(Horizon(NOW + SECOND, None), NOW, AHEAD) == NOW + SECOND
    assert last_ahead(Horizon(NOW - SECOND, None), NOW, AHEAD) == NOW + AHEAD
    assert is_old(NOW + 3600 * SECOND, NOW)
    assert is_old(NOW - SECOND, NOW)
    assert not is_old(NOW, NOW)
