"""The ledger in numbers says the same as the ledger, for random lives of jobs and any steps."""

from bisect import bisect_right
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_common.domain.job.ledger import LedgerEntry, RunOutcome, entries, run_ids, with_runs
from duebook_common.domain.job.ledger_summary import expected_counts, outcomes
from duebook_common.domain.job.schedule_history import schedule_periods
from duebook_common.domain.run.ids import run_id_at, run_id_of_backfill
from support.lives import Life, lives
from support.samples import JOB_ID

DATES = st.datetimes(datetime(2011, 6, 1), datetime(2013, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=100)
@given(lives(), DATES, st.integers(1, 50), st.sampled_from([3600, 86_400, 1_000_000]), st.booleans())
def test_the_numbers_are_those_of_the_entries(life: Life, first: datetime, steps: int, size: int, lost: bool) -> None:
    bounds = [first + n * timedelta(seconds=size) for n in range(steps + 1)]
    last = min(life.now, bounds[-1] - timedelta(microseconds=1))
    history = schedule_periods(life.own)
    if lost:
        life.runs.clear()
    of_stream = entries(life.job, history, first, last)
    expected = [Counter[str]() for _ in range(steps)]
    for entry in _with_runs(life, of_stream):
        expected[bisect_right(bounds, entry.nominal_at) - 1][entry.outcome] += 1
    counts = expected_counts(life.job, history, bounds, last)
    runs, filled = ([Counter[str]() for _ in range(steps)] for _ in range(2))
    for entry in of_stream:
        _add_run(life, entry, entry.nominal_at in counts.shared, bounds, (runs, filled))
    found = outcomes(counts, runs, filled)
    for entry in _with_runs(life, [each for each in of_stream if each.nominal_at in counts.shared]):
        found[bisect_right(bounds, entry.nominal_at) - 1][entry.outcome] += 1
    assert found == expected


def _with_runs(life: Life, some: list[LedgerEntry]) -> list[LedgerEntry]:
    known = {id_: RunOutcome(run.status, run.reason) for id_, run in life.runs.items()}
    return with_runs(some, run_ids(JOB_ID, some), known)


def _add_run(
    life: Life,
    entry: LedgerEntry,
    shared: bool,
    bounds: list[datetime],
    counters: tuple[list[Counter[str]], list[Counter[str]]],
) -> None:
    """As the statement does: own runs, and backfills of times that have none or a skipped one."""
    step = bisect_right(bounds, entry.nominal_at) - 1
    own = life.runs.get(run_id_at(JOB_ID, entry.nominal_at))
    late = life.runs.get(run_id_of_backfill(JOB_ID, entry.nominal_at))
    if shared or (own is None and late is None):
        return
    if own is not None and (own.status != "skipped" or late is None):
        counters[0][step][own.status] += 1
    elif late is not None:
        counters[0][step][late.status] += 1
        if own is None:
            before = "due" if life.job.next_at is not None and entry.nominal_at >= life.job.next_at else entry.outcome
            counters[1][step][before] += 1
