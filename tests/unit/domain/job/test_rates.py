"""When the runs that wait for a rate may be sent, by their position in the line and the starts of their key."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.definition import Concurrency, Rate
from duebook_common.domain.job.admission import ConcurrencySlots, Limits
from duebook_common.domain.job.rates import LEAD, KeyStarts, RateLines, admission_order, expected_at, numbers_wanted
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import RATE, Run, RunStatus
from support.samples import NOW, SECOND, a_run

RATED = Rate("k", 2, 10 * SECOND)


def waiting(n: int, rate: Rate = RATED, **fields: object) -> Run:
    """The n-th run that waits."""
    at = NOW - 1000 * SECOND + n * SECOND
    run = replace(a_run(), id=UUID(int=n), status=RunStatus.WAITING, reason=RATE, rate=rate)
    return replace(run, created_at=at, nominal_at=at, **fields)  # type: ignore[arg-type]


def lines(starts: KeyStarts, *line: Run) -> RateLines:
    return RateLines({"k": starts}, line, NOW)


def started(*ago: float, **sent: int) -> KeyStarts:
    """The starts of a key, so many seconds ago, oldest first."""
    times = {number: NOW - timedelta(seconds=seconds) for number, seconds in enumerate(ago, 1)}
    return KeyStarts(last=len(ago), times=times, **sent)


def test_as_many_runs_are_sent_as_the_span_has_starts_left() -> None:
    runs = [waiting(n) for n in range(4)]
    assert [lines(KeyStarts(), *runs).take(run) for run in runs] == [True, True, False, False]
    assert [lines(started(3), *runs).take(run) for run in runs] == [True, False, False, False]
    assert [lines(started(12, 11), *runs).take(run) for run in runs] == [True, True, False, False]


def test_a_run_is_sent_a_moment_before_its_time() -> None:
    first, second = waiting(1), waiting(2)
    rates = lines(started(9.5, 3), first, second)
    assert rates.time_of(first) == NOW + SECOND / 2
    assert rates.time_of(second) == NOW + 7 * SECOND
    assert not rates.take(first)
    assert lines(started(9.8, 3), first).take(first)
    assert timedelta(0) < LEAD < SECOND / 2


def test_sent_runs_count_as_started_until_their_executor_seems_stuck() -> None:
    run = waiting(1)
    assert not lines(KeyStarts(fresh=2), run).take(run)
    assert lines(KeyStarts(stale=2), run).take(run)  # one limit's worth may be stuck
    assert not lines(KeyStarts(stale=4), run).take(run)


def test_a_run_outside_of_the_line_goes_by_its_age() -> None:
    head, older, younger = waiting(5), waiting(1), waiting(9)
    assert lines(started(3), head).take(older)
    assert not lines(started(3), head).take(younger)
    rates = lines(started(3), head)
    assert [rates.take(waiting(n)) for n in (1, 2)] == [True, False]


def test_backfills_come_last() -> None:
    backfill, scheduled = waiting(1, trigger=Trigger.BACKFILL), waiting(2)
    assert admission_order(scheduled) < admission_order(backfill)
    assert [lines(started(3), backfill, scheduled).take(run) for run in (backfill, scheduled)] == [False, True]


def test_each_run_waits_by_its_own_limit() -> None:
    strict, loose = waiting(1, Rate("k", 1, 10 * SECOND)), waiting(2, Rate("k", 5, 10 * SECOND))
    rates = lines(started(3, 2), strict, loose)
    assert [rates.take(run) for run in (strict, loose)] == [False, True]


def test_a_key_that_is_not_locked_lets_nothing_start() -> None:
    rates = RateLines({}, [], NOW)
    assert not rates.take(waiting(1))
    assert rates.time_of(waiting(1)) is None
    assert rates.take(replace(waiting(1), rate=None))


def test_a_run_takes_a_slot_of_its_key_only_if_its_rate_allows_the_start() -> None:
    both = waiting(1, concurrency=Concurrency("c", 1))
    slots = ConcurrencySlots({"c": 0})
    assert not Limits(slots, lines(started(3, 2))).take(both)
    assert slots.has_free(both)
    assert Limits(slots, lines(started(3))).take(both)
    assert not slots.has_free(both)


def test_the_expected_start_counts_the_runs_ahead() -> None:
    starts = started(9, 3)
    assert [expected_at(starts, RATED, ahead, NOW) - NOW for ahead in (0, 1, 2, 3, 4)] == [
        SECOND, 7 * SECOND, 11 * SECOND, 17 * SECOND, 21 * SECOND,
    ]  # fmt: skip
    assert expected_at(KeyStarts(), RATED, 1, NOW) == NOW


@given(st.integers(0, 50), st.integers(0, 20), st.integers(1, 30), st.integers(1, 20))
def test_the_times_that_are_read_are_those_that_decide(last: int, sent: int, limit: int, length: int) -> None:
    starts, rate = KeyStarts(last, sent), Rate("k", limit, SECOND)
    read = {n for first, end in numbers_wanted(starts, length, [limit]) for n in range(first, end + 1)}
    wanted = {last + sent + position + 1 - limit for position in range(length)}
    assert {number for number in wanted if 0 < number <= last} <= read
    assert len(read) <= length + 1, rate
