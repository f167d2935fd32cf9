"""The ledger lists every nominal time once, and shows a time without a record as unaccounted."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from duebook_common.domain.definition import CatchUp, Every, Overlap
from duebook_common.domain.job.events import JobEvent, OccurrencesSkipped
from duebook_common.domain.job.ledger import (
    LedgerEntry,
    RunOutcome,
    Totals,
    entries,
    expected,
    run_ids,
    totals,
    with_runs,
)
from duebook_common.domain.job.schedule_history import EARLIEST, schedule_periods
from duebook_common.domain.job.state import JobStatus
from duebook_common.domain.run.ids import run_id_at, run_id_of_backfill
from duebook_common.domain.run.state import RunStatus
from support.lives import Life, lives, new_life
from support.samples import DAY, HOUR, JOB_ID, NOW, SECOND, a_definition

Row = tuple[datetime, str, UUID | None, str | None]


def ledger(life: Life, own: Iterable[JobEvent] | None = None, runs: Iterable[UUID] | None = None) -> list[LedgerEntry]:
    """The ledger up to now; from another history than the job's own, or with other runs, if these are given."""
    expected_times = entries(life.job, schedule_periods(life.own if own is None else own), EARLIEST, life.now)
    known = life.runs if runs is None else runs
    outcomes = {id_: RunOutcome(life.runs[id_].status, life.runs[id_].reason) for id_ in known}
    return with_runs(expected_times, run_ids(JOB_ID, expected_times), outcomes)


def summary(life: Life) -> list[str]:
    """One line for each entry."""
    return [f"{_ago(entry.nominal_at, life.now)} {entry.outcome}: {entry.reason}" for entry in ledger(life)]


def _ago(time: datetime, now: datetime) -> str:
    return f"{(now - time) / HOUR:g} h ago"


# Random histories


@settings(max_examples=200)
@given(lives())
def test_every_nominal_time_has_one_entry_and_none_is_unaccounted(life: Life) -> None:
    all_entries = ledger(life)
    assert [entry.nominal_at for entry in all_entries] == sorted(set(life.expected))
    assert expected(schedule_periods(life.own), EARLIEST, life.now) == len(life.expected)
    assert totals(all_entries).unaccounted == 0
    assert [_row(entry) for entry in all_entries] == [_expected_row(life, entry.nominal_at) for entry in all_entries]
    assert {entry.nominal_at: entry.version.number for entry in all_entries} == life.in_force


def _row(entry: LedgerEntry) -> Row:
    return entry.nominal_at, entry.outcome, entry.run_id, entry.reason


def _expected_row(life: Life, time: datetime) -> Row:
    """The row that the course of the life demands, whatever was recorded."""
    if time in life.by_schedule:
        run = life.runs[life.by_schedule[time]]
        return time, run.status, run.id, run.reason
    if time in life.skipped:
        return time, "skipped", None, life.skipped[time]
    assert life.job.next_at is not None
    return (time, "due", None, None) if life.job.status is JobStatus.ACTIVE else (time, "skipped", None, "paused")


@settings(max_examples=100)
@given(lives(), st.data())
def test_a_lost_run_leaves_its_time_unaccounted(life: Life, data: st.DataObject) -> None:
    assume(life.by_schedule and len(set(life.expected)) == len(life.expected))
    time, lost = data.draw(st.sampled_from(sorted(life.by_schedule.items())))
    all_entries = ledger(life, runs=life.runs.keys() - {lost})
    assert [entry.nominal_at for entry in all_entries if entry.outcome == "unaccounted"] == [time]
    assert totals(all_entries) == Totals(*_sums(all_entries))


def _sums(all_entries: list[LedgerEntry]) -> list[int]:
    due, lost = ([entry.outcome for entry in all_entries].count(outcome) for outcome in ("due", "unaccounted"))
    return [len(all_entries), len(all_entries) - due - lost, due, lost]


@settings(max_examples=100)
@given(lives(), st.data())
def test_a_lost_skip_or_one_that_counts_too_few_leaves_times_unaccounted(life: Life, data: st.DataObject) -> None:
    skips = [event for event in life.own if isinstance(event, OccurrencesSkipped)]
    assume(skips and len(set(life.expected)) == len(life.expected))
    skip = data.draw(st.sampled_from(skips))
    without = ledger(life, own=[event for event in life.own if event is not skip])
    assert totals(without).unaccounted == skip.count
    fewer = replace(skip, count=skip.count - 1)
    all_entries = ledger(life, own=[fewer if event is skip else event for event in life.own])
    assert [entry.nominal_at for entry in all_entries if entry.outcome == "unaccounted"] == [skip.last]


@settings(max_examples=100)
@given(lives(), st.data())
def test_a_range_of_the_ledger_equals_that_part_of_the_whole(life: Life, data: st.DataObject) -> None:
    first = data.draw(st.sampled_from([entry.nominal_at for entry in ledger(life)] or [EARLIEST]))
    last = data.draw(st.datetimes(datetime(2011, 1, 1), datetime(2013, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    part = entries(life.job, schedule_periods(life.own), first, min(last, life.now))
    whole = entries(life.job, schedule_periods(life.own), EARLIEST, life.now)
    assert part == [entry for entry in whole if first <= entry.nominal_at <= last]


# Single cases


def daily(**fields: Any) -> Life:
    """A job that was created three days and an hour after its first time."""
    return new_life(a_definition(**{"scheduled_at": NOW - 3 * DAY - HOUR, "recurrence": "daily", **fields}), NOW)


def test_times_that_the_scheduler_has_not_decided_are_due() -> None:
    life = daily()
    assert summary(life) == [f"{hours} h ago due: None" for hours in (73, 49, 25, 1)]
    life.poll()
    assert summary(life) == [*(f"{hours} h ago skipped: missed" for hours in (73, 49, 25)), "1 h ago dispatched: None"]
    assert totals(ledger(life)) == Totals(expected=4, recorded=4, due=0, unaccounted=0)


def test_times_during_a_pause_are_skipped_before_and_after_it_ends() -> None:
    life = daily()
    life.poll()
    life.pause("holidays")
    life.wait(2 * DAY)
    during = summary(life)
    assert during[-2:] == ["25 h ago skipped: paused", "1 h ago skipped: paused"]
    life.resume()
    assert summary(life) == during


def test_the_ledger_of_a_job_ends_with_the_times_that_were_due_at_its_end() -> None:
    life = daily(max_runs=1)
    life.poll()
    life.wait(DAY)
    assert life.job.status is JobStatus.FINISHED
    assert summary(life)[-1] == "25 h ago dispatched: None"
    deleted = daily(catch_up=CatchUp("none"))
    deleted.delete()
    deleted.wait(DAY)
    assert summary(deleted) == [f"{hours} h ago skipped: deleted" for hours in (97, 73, 49, 25)]


def test_a_time_that_jitter_delays_beyond_the_last_allowed_run_is_skipped() -> None:
    life = daily(jitter=DAY, max_runs=1, scheduled_at=NOW)
    life.wait(DAY)
    while life.job.status is JobStatus.ACTIVE:
        life.wait(HOUR)
        life.poll()
    assert [entry.reason for entry in ledger(life)] == [None, "max_runs"]


def test_a_change_that_allows_no_more_runs_leaves_nothing_due() -> None:
    life = daily(recurrence=Every(10 * 60 * SECOND), catch_up=CatchUp("all"), overlap=Overlap.ALLOW_ALL)
    life.poll()
    assert len(life.active) == 100
    life.change(replace(life.job.definition, max_runs=7))
    assert life.job.status is JobStatus.FINISHED
    assert {entry.reason for entry in ledger(life)[100:]} == {"max_runs"}


def test_a_change_adds_no_past_times_but_a_one_off_moved_into_the_past_runs() -> None:
    life = daily()
    life.poll()
    life.change(replace(life.job.definition, scheduled_at=NOW - 100 * DAY, recurrence="weekly"))
    assert len(ledger(life)) == 4
    life.change(replace(life.job.definition, scheduled_at=NOW - 90 * DAY, recurrence="none"))
    assert summary(life)[0] == "2160 h ago due: None"
    life.poll()
    assert (summary(life)[0], ledger(life)[0].version.number) == ("2160 h ago waiting: overlap", 3)


def test_a_one_off_moved_into_the_past_is_skipped_if_no_run_is_left() -> None:
    life = new_life(a_definition(max_runs=1), NOW)
    life.poll()
    life.change(replace(life.job.definition, scheduled_at=NOW - HOUR))
    assert life.job.status is JobStatus.FINISHED
    assert summary(life) == ["1 h ago skipped: max_runs", "0 h ago dispatched: None"]


def test_a_backfilled_time_shows_its_backfill_and_why_it_was_needed() -> None:
    life = daily()
    life.poll()
    (missed, *_, ran) = ledger(life)
    life.backfill([missed.nominal_at])
    first = ledger(life)[0]
    assert first == replace(missed, outcome="dispatched", run_id=run_id_of_backfill(JOB_ID, first.nominal_at))
    assert first.reason == "missed"
    assert ran.run_id == run_id_at(JOB_ID, ran.nominal_at)


def test_a_skipped_run_gives_its_reason_and_can_be_backfilled() -> None:
    life = daily(start_within=60 * SECOND)
    life.poll()
    *_, late = ledger(life)
    assert (late.outcome, late.reason) == ("skipped", "deadline")
    assert late.run_id == run_id_at(JOB_ID, late.nominal_at)
    life.backfill([late.nominal_at])
    life.end(RunStatus.SUCCEEDED)
    assert ledger(life)[-1].outcome == "succeeded"
    assert ledger(life)[-1].reason == "deadline"


def test_a_skip_that_counts_too_many_hides_no_other_time() -> None:
    life = daily()
    life.poll()
    more = [replace(e, count=e.count + 1) if isinstance(e, OccurrencesSkipped) else e for e in life.own]
    assert [_row(entry) for entry in ledger(life, own=more)] == [_row(entry) for entry in ledger(life)]
