"""Which waiting runs may start, given the other runs of their job and the free slots of their concurrency keys."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Concurrency
from duebook_common.domain.job.admission import ConcurrencySlots, Limits, next_of_job, runs_to_await, slots_by_run
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import Run, RunStatus
from support.samples import NOW, SECOND, a_run

LATER = NOW + 60 * SECOND


def waiting(n: int, reason: str, key: Concurrency | None = None, trigger: Trigger = Trigger.SCHEDULE) -> Run:
    """The n-th run of the job, which has waited since then."""
    created_at = NOW + n * SECOND
    fields: dict[str, Any] = {
        "created_at": created_at,
        "nominal_at": created_at,
        "due_at": NOW,
        "wake_at": NOW,
        "trigger": trigger,
        "dispatch": 0,
    }
    return replace(a_run(), id=UUID(int=n), status=RunStatus.WAITING, reason=reason, concurrency=key, **fields)


def known(_: Run) -> bool:
    return True


def admitted(active: list[Run], due: list[Run], holders: dict[str, int]) -> list[int]:
    following = next_of_job(active, LATER, known)
    others = [] if following is None else [following]
    return sorted(id_.int for id_ in slots_by_run(due, Limits(ConcurrencySlots(holders)), LATER, others))


def test_the_first_run_that_waits_for_others_starts_once_none_is_under_way() -> None:
    first, second = waiting(1, "overlap"), waiting(2, "overlap")
    assert admitted([second, first], [first], {}) == [1]
    assert admitted([second, first, replace(a_run(), id=UUID(int=9))], [first], {}) == []


def test_a_run_that_waits_for_its_task_holds_back_the_runs_behind_it() -> None:
    backfill, later = waiting(1, "task", trigger=Trigger.BACKFILL), waiting(2, "overlap")
    assert admitted([backfill, later], [later], {}) == []
    assert admitted([backfill, later], [backfill, later], {}) == [1]
    assert runs_to_await([backfill, later]) == [backfill]


def test_a_run_whose_task_no_executor_has_is_not_admitted() -> None:
    run = waiting(1, "overlap")
    assert next_of_job([run], LATER, lambda _: False) is None


def test_a_key_admits_as_many_runs_as_it_has_slots_the_oldest_first() -> None:
    key = Concurrency("k", 3)
    runs = [waiting(n, "concurrency", key) for n in (4, 2, 3, 1)]
    assert admitted(runs, runs, {"k": 1}) == [1, 2]
    assert admitted(runs, runs, {"k": 3}) == []


def test_a_run_whose_retry_was_held_is_not_admitted_before_its_time() -> None:
    key = Concurrency("k", 3)
    first, early = (replace(waiting(n, "paused", key), not_before=LATER + n * SECOND) for n in (0, 1))
    assert admitted([first, early], [first, early], {"k": 0}) == [0]


def test_a_run_that_waits_for_its_key_blocks_the_runs_behind_it() -> None:
    key = Concurrency("k", 2)
    runs = [waiting(1, "concurrency", key), waiting(2, "overlap", key)]
    assert admitted(runs, runs, {"k": 0}) == [1]


def test_a_run_whose_key_is_not_locked_is_not_admitted() -> None:
    """The due backfill has no key; the run before it has one whose lock the scheduler does not hold."""
    backfill = waiting(1, "overlap", trigger=Trigger.BACKFILL)
    keyed = waiting(2, "overlap", Concurrency("full", 1))
    assert admitted([backfill, keyed], [backfill], {}) == []


def test_a_run_that_jitter_delays_is_not_admitted_before_it_is_due() -> None:
    early = replace(waiting(1, "overlap"), due_at=LATER + 30 * SECOND)
    assert admitted([early], [early], {}) == []


def test_the_slots_of_a_key_are_shared_by_the_jobs_of_a_batch() -> None:
    key = Concurrency("k", 1)
    one, other = waiting(1, "overlap", key), waiting(2, "overlap", key)
    assert slots_by_run([], Limits(ConcurrencySlots({"k": 0})), LATER, [other, one]) == {one.id}


def test_a_run_that_waited_for_its_job_gets_a_slot_before_younger_ones() -> None:
    key = Concurrency("k", 1)
    older, younger = waiting(1, "overlap", key), waiting(2, "concurrency", key)
    assert admitted([older], [younger, older], {"k": 0}) == [1]
