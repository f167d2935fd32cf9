"""What `verify` finds in a job's history: nothing in one that happened, and a breach in one with a hole."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from duebook_common.domain.definition import CatchUp, Every, Overlap, Recurrence
from duebook_common.domain.job.events import (
    JobChanged,
    JobCreated,
    JobEvent,
    JobFinished,
    JobResumed,
    OccurrencesSkipped,
)
from duebook_common.domain.run.events import FirstEvent, RunFact
from duebook_common.integrity.verify_jobs import check_job
from support.lives import Life, lives, new_life
from support.recorded import recorded
from support.samples import DAY, HOUR, MINUTE, NOW, a_definition


def breaches(history: Sequence[Any], due_before: datetime) -> list[str]:
    return [breach.says for breach in check_job(recorded(history), due_before)]


@settings(max_examples=100)
@given(lives())
def test_a_history_that_happened_has_no_breach(life: Life) -> None:
    assert breaches(life.history, life.job.next_at or life.now) == []


@settings(max_examples=100)
@given(lives(), st.data())
def test_a_history_that_lacks_an_occurrence_has_a_breach(life: Life, data: st.DataObject) -> None:
    assume(accounts := [fact for fact in life.history if _accounts(fact)])
    lost = data.draw(st.sampled_from(accounts))
    history = [fact for fact in life.history if fact is not lost and not _of_the_run(fact, lost)]
    assert breaches(history, life.job.next_at or life.now)


def _accounts(fact: JobEvent | RunFact) -> bool:
    return isinstance(fact.event if isinstance(fact, RunFact) else fact, FirstEvent | OccurrencesSkipped)


def _of_the_run(fact: JobEvent | RunFact, lost: JobEvent | RunFact) -> bool:
    return isinstance(fact, RunFact) and isinstance(lost, RunFact) and fact.run_id == lost.run_id


def changed_job() -> Life:
    """A daily job that was paused, resumed, changed, and ended."""
    life = new_life(a_definition(scheduled_at=NOW - HOUR, recurrence="daily"), NOW)
    life.poll()
    life.pause()
    life.wait(2 * DAY)
    life.resume()
    life.wait(2 * DAY)
    life.poll()
    life.change(replace(life.job.definition, scheduled_at=life.now, recurrence="weekly"))
    life.wait(8 * DAY)
    life.poll()
    return life


@pytest.mark.parametrize("kind", [JobCreated, JobChanged, JobResumed])
def test_a_skipped_nominal_time_is_a_breach(kind: type) -> None:
    life = changed_job()
    assert breaches(life.history, life.now) == []
    history: list[Any] = [*life.history]
    index = next(n for n, event in enumerate(history) if isinstance(event, kind))
    history[index] = replace(history[index], next_at=history[index].next_at + DAY)
    assert breaches(history, life.now)


def test_times_that_all_events_skip_alike_show_in_the_totals() -> None:
    """A change goes on a week too late, and all later events agree with it."""
    life = changed_job()
    index = next(n for n, event in enumerate(life.history) if isinstance(event, JobChanged))
    history: list[Any] = life.history[: index + 1]
    history[index] = replace(history[index], next_at=life.job.next_at)
    (says,) = breaches(history, life.now)
    assert "1 nominal times were expected" in says
    assert "0 are recorded" in says


def test_a_finished_job_with_a_greater_max_runs_goes_on_from_the_change() -> None:
    life = new_life(a_definition(recurrence="daily", max_runs=1), NOW)
    life.poll()
    life.wait(3 * DAY)
    life.change(replace(life.job.definition, max_runs=2))
    assert life.job.next_at is not None
    assert breaches(life.history, life.now) == []


EACH_12_HOURS, EACH_48_HOURS = Every(12 * HOUR), Every(48 * HOUR)


@pytest.mark.parametrize("recurrence", ["none", "weekly", EACH_12_HOURS, EACH_48_HOURS])
@pytest.mark.parametrize("paused", [False, True], ids=["active", "paused"])
@pytest.mark.parametrize("back", [HOUR, 2 * DAY + HOUR, 9 * DAY])
def test_a_change_after_the_clock_was_set_back_is_no_breach(
    recurrence: Recurrence, paused: bool, back: timedelta
) -> None:
    """What the old schedule has accounted for is not expected of the new one, and does not run again."""
    life = new_life(a_definition(recurrence="daily", catch_up=CatchUp("none")), NOW - HOUR)
    for _ in range(4):
        life.wait(DAY)
        life.poll()
    if paused:
        life.pause()
    life.now -= back
    life.change(replace(life.job.definition, recurrence=recurrence))
    assert breaches(life.history, life.job.next_at or life.now) == []
    for n in range(24):
        life.now += 12 * HOUR
        if paused and n == 20:
            life.resume()
        life.poll()
        assert breaches(life.history, life.now) == []


def test_a_finish_before_the_next_due_time_is_a_breach() -> None:
    life = changed_job()
    history = [*life.history, JobFinished(at=life.now)]
    assert any("finished, although" in says for says in breaches(history, life.now))


def test_what_waits_until_a_backlog_is_worked_off_is_no_breach() -> None:
    """With `all` no more than a hundred runs are active; the rest stays due, however long those take."""
    life = new_life(a_definition(recurrence=Every(MINUTE), catch_up=CatchUp("all")), NOW)
    life.wait(5 * HOUR)
    life.poll()
    life.wait(HOUR)
    assert life.job.next_at is not None
    assert life.job.next_at < life.now - HOUR
    assert _unaccounted(life) == []
    [last, *others] = life.active
    life.end_these(others)
    assert _unaccounted(life) == []
    life.now += 6 * MINUTE
    assert _unaccounted(life) != []  # 99 slots have been free for longer than an occurrence may be due
    life.end_these([last])
    life.now += 6 * MINUTE
    assert _unaccounted(life) != []


def test_a_backlog_waits_for_runs_of_any_trigger() -> None:
    life = new_life(a_definition(recurrence=Every(MINUTE), catch_up=CatchUp("all")), NOW)
    life.wait(100 * MINUTE)
    life.poll()
    life.end_these(life.active)
    life.wait(HOUR)
    life.backfill(life.expected[:100])
    life.poll()
    life.wait(HOUR)
    assert len(life.active) == 100
    assert _unaccounted(life) == []


@pytest.mark.parametrize("active", [1, 2])
def test_a_few_active_runs_keep_nothing_of_a_backlog_back(active: int) -> None:
    catch_all = a_definition(recurrence=Every(HOUR), catch_up=CatchUp("all"), overlap=Overlap.ALLOW_ALL)
    life = new_life(catch_all, NOW)
    for _ in range(active):
        life.wait(HOUR)
        life.poll()
    assert len(life.active) >= active
    life.wait(20 * HOUR)
    assert _unaccounted(life) != []
    life.end_these(life.active)
    assert _unaccounted(life) != []


def _unaccounted(life: Life) -> list[str]:
    return [says for says in breaches(life.history, life.now - 5 * MINUTE) if "is due and unaccounted for" in says]
