"""The ledger tells of every nominal time once, and of one of which nothing is recorded it says so."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from duebook_api.jobs import judging
from duebook_common.domain.definition import CatchUp, Every, Overlap
from duebook_common.domain.job.events import JobEvent, OccurrencesSkipped
from duebook_common.domain.job.ledger import (
    LedgerEntry,
    RunOutcome,
    Totals,
    expected,
    lines,
    run_ids,
    totals,
    with_runs,
)
from duebook_common.domain.job.schedule_history import EVER, schedule_periods
from duebook_common.domain.job.state import JobStatus
from duebook_common.domain.run.events import run_id_at, run_id_of_backfill
from duebook_common.domain.run.state import RunStatus
from support.lives import Life, born, lives
from support.samples import DAY, HOUR, JOB_ID, NOW, SECOND, a_definition

Told = tuple[datetime, str, UUID | None, str | None]


def ledger(life: Life, own: Iterable[JobEvent] | None = None, runs: Iterable[UUID] | None = None) -> list[LedgerEntry]:
    """Of all its times up to now; from another history than its own, or with other runs, where these are given."""
    told = lines(life.job, schedule_periods(life.own if own is None else own), EVER, life.now)
    known = life.runs if runs is None else runs
    found = {id_: RunOutcome(life.runs[id_].status, life.runs[id_].reason) for id_ in known}
    return with_runs(told, run_ids(JOB_ID, told), found)


def told(life: Life) -> list[str]:
    """The ledger in short."""
    return [f"{_ago(line.nominal_at, life.now)} {line.outcome}: {line.reason}" for line in ledger(life)]


def _ago(time: datetime, now: datetime) -> str:
    return f"{(now - time) / HOUR:g} h ago"


# Whatever happens


@settings(max_examples=200)
@given(lives())
def test_every_nominal_time_stands_in_the_ledger_once_and_none_is_unaccounted(life: Life) -> None:
    book = ledger(life)
    assert [line.nominal_at for line in book] == sorted(set(life.expected))
    assert expected(schedule_periods(life.own), EVER, life.now) == len(life.expected)
    assert totals(book).unaccounted == 0
    assert [_told(line) for line in book] == [_as_it_went(life, line.nominal_at) for line in book]
    assert {line.nominal_at: line.version.number for line in book} == life.in_force


def _told(line: LedgerEntry) -> Told:
    return line.nominal_at, line.outcome, line.run_id, line.reason


def _as_it_went(life: Life, time: datetime) -> Told:
    """What became of the time, by what happened rather than by what is recorded."""
    if time in life.by_schedule:
        run = life.runs[life.by_schedule[time]]
        return time, run.status, run.id, run.reason
    if time in life.skipped:
        return time, "skipped", None, life.skipped[time]
    assert life.job.next_at is not None
    return (time, "due", None, None) if life.job.status is JobStatus.ACTIVE else (time, "skipped", None, "paused")


@settings(max_examples=100)
@given(lives(), st.data())
def test_a_run_that_is_lost_leaves_its_time_unaccounted(life: Life, data: st.DataObject) -> None:
    assume(life.by_schedule and len(set(life.expected)) == len(life.expected))
    time, lost = data.draw(st.sampled_from(sorted(life.by_schedule.items())))
    book = ledger(life, runs=life.runs.keys() - {lost})
    assert [line.nominal_at for line in book if line.outcome == "unaccounted"] == [time]
    assert totals(book) == Totals(*_sums(book))


def _sums(book: list[LedgerEntry]) -> list[int]:
    due, lost = ([line.outcome for line in book].count(outcome) for outcome in ("due", "unaccounted"))
    return [len(book), len(book) - due - lost, due, lost]


@settings(max_examples=100)
@given(lives(), st.data())
def test_a_skip_that_is_lost_or_counts_too_few_leaves_times_unaccounted(life: Life, data: st.DataObject) -> None:
    skips = [event for event in life.own if isinstance(event, OccurrencesSkipped)]
    assume(skips and len(set(life.expected)) == len(life.expected))
    skip = data.draw(st.sampled_from(skips))
    without = ledger(life, own=[event for event in life.own if event is not skip])
    assert totals(without).unaccounted == skip.count
    fewer = replace(skip, count=skip.count - 1)
    book = ledger(life, own=[fewer if event is skip else event for event in life.own])
    assert [line.nominal_at for line in book if line.outcome == "unaccounted"] == [skip.last]


@settings(max_examples=100)
@given(lives(), st.data())
def test_a_part_of_the_ledger_is_that_part_of_the_whole(life: Life, data: st.DataObject) -> None:
    first = data.draw(st.sampled_from([line.nominal_at for line in ledger(life)] or [EVER]))
    last = data.draw(st.datetimes(datetime(2011, 1, 1), datetime(2013, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    part = lines(life.job, schedule_periods(life.own), first, min(last, life.now))
    whole = [
        line for line in lines(life.job, schedule_periods(life.own), EVER, life.now) if first <= line.nominal_at <= last
    ]
    assert part == whole


# Told one by one


def daily(**fields: Any) -> Life:
    """A job that was created three days and an hour after its first time."""
    return born(a_definition(**{"scheduled_at": NOW - 3 * DAY - HOUR, "recurrence": "daily", **fields}), NOW)


def test_what_the_scheduler_has_not_reached_yet_is_due() -> None:
    life = daily()
    assert told(life) == [f"{hours} h ago due: None" for hours in (73, 49, 25, 1)]
    life.poll()
    assert told(life) == [*(f"{hours} h ago skipped: missed" for hours in (73, 49, 25)), "1 h ago dispatched: None"]
    assert totals(ledger(life)) == Totals(expected=4, recorded=4, due=0, unaccounted=0)


def test_what_falls_into_a_pause_is_skipped_before_and_after_it_is_over() -> None:
    life = daily()
    life.poll()
    life.order(judging.pausing("holidays", life.terms()))
    life.wait(2 * DAY)
    during = told(life)
    assert during[-2:] == ["25 h ago skipped: paused", "1 h ago skipped: paused"]
    life.order(judging.resuming(None, life.terms()))
    assert told(life) == during


def test_a_job_ends_with_what_was_due_by_then() -> None:
    life = daily(max_runs=1)
    life.poll()
    life.wait(DAY)
    assert life.job.status is JobStatus.FINISHED
    assert told(life)[-1] == "25 h ago dispatched: None"
    gone = daily(catch_up=CatchUp("none"))
    gone.order(judging.deleting(gone.terms(), None))
    gone.wait(DAY)
    assert told(gone) == [f"{hours} h ago skipped: deleted" for hours in (97, 73, 49, 25)]


def test_what_jitter_held_back_when_the_last_run_was_granted_is_left_out() -> None:
    life = daily(jitter=DAY, max_runs=1, scheduled_at=NOW)
    life.wait(DAY)
    while life.job.status is JobStatus.ACTIVE:
        life.wait(HOUR)
        life.poll()
    assert [line.reason for line in ledger(life)] == [None, "max_runs"]


def test_a_change_that_grants_no_more_runs_leaves_nothing_that_is_due_behind() -> None:
    life = daily(recurrence=Every(10 * 60 * SECOND), catch_up=CatchUp("all"), overlap=Overlap.ALLOW_ALL)
    life.poll()
    assert len(life.active) == 100
    life.change(replace(life.job.definition, max_runs=7))
    assert life.job.status is JobStatus.FINISHED
    assert {line.reason for line in ledger(life)[100:]} == {"max_runs"}


def test_a_change_looks_ahead_and_a_one_off_moved_into_the_past_runs() -> None:
    life = daily()
    life.poll()
    life.change(replace(life.job.definition, scheduled_at=NOW - 100 * DAY, recurrence="weekly"))
    assert len(ledger(life)) == 4
    life.change(replace(life.job.definition, scheduled_at=NOW - 90 * DAY, recurrence="none"))
    assert told(life)[0] == "2160 h ago due: None"
    life.poll()
    assert (told(life)[0], ledger(life)[0].version.number) == ("2160 h ago skipped: overlap", 3)


def test_a_one_off_moved_into_the_past_that_may_not_run_any_more_is_left_out() -> None:
    life = born(a_definition(max_runs=1), NOW)
    life.poll()
    life.change(replace(life.job.definition, scheduled_at=NOW - HOUR))
    assert life.job.status is JobStatus.FINISHED
    assert told(life) == ["1 h ago skipped: max_runs", "0 h ago dispatched: None"]


def test_a_time_that_was_made_up_for_shows_that_run_and_why_it_was_needed() -> None:
    life = daily()
    life.poll()
    (missed, *_, ran) = ledger(life)
    life.backfill([missed.nominal_at])
    first = ledger(life)[0]
    assert first == replace(missed, outcome="dispatched", run_id=run_id_of_backfill(JOB_ID, first.nominal_at))
    assert first.reason == "missed"
    assert ran.run_id == run_id_at(JOB_ID, ran.nominal_at)


def test_a_run_that_was_skipped_gives_its_reason_and_may_be_made_up_for() -> None:
    life = daily(start_within=60 * SECOND)
    life.poll()
    *_, late = ledger(life)
    assert (late.outcome, late.reason) == ("skipped", "deadline")
    assert late.run_id == run_id_at(JOB_ID, late.nominal_at)
    life.backfill([late.nominal_at])
    life.end(RunStatus.SUCCEEDED)
    assert ledger(life)[-1].outcome == "succeeded"
    assert ledger(life)[-1].reason == "deadline"


def test_a_range_that_counts_too_many_hides_nothing_that_was_not_there() -> None:
    life = daily()
    life.poll()
    more = [replace(e, count=e.count + 1) if isinstance(e, OccurrencesSkipped) else e for e in life.own]
    assert [_told(line) for line in ledger(life, own=more)] == [_told(line) for line in ledger(life)]
