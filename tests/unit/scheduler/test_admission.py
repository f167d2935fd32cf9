"""Which waiting runs are admitted, given how many runs hold their concurrency keys."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Concurrency
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import Run, RunStatus
from duebook_scheduler.admission import _AdmissionBatch
from support.samples import NOW, SECOND, a_job, a_run


def waiting(n: int, reason: str, key: Concurrency | None = None, trigger: Trigger = Trigger.SCHEDULE) -> Run:
    """The n-th run of the job, created n seconds after NOW."""
    created = NOW + n * SECOND
    fields: dict[str, Any] = {
        "created_at": created,
        "nominal_at": created,
        "due_at": NOW,
        "wake_at": NOW,
        "trigger": trigger,
        "dispatch": 0,
    }
    return replace(a_run(), id=UUID(int=n), status=RunStatus.WAITING, reason=reason, concurrency=key, **fields)


def admitted(active: list[Run], due: list[Run], holders: dict[str, int]) -> list[int]:
    facts = _AdmissionBatch(due, holders, NOW + 60 * SECOND, SECOND).decide(a_job(), active)
    return [fact.run_id.int for fact in facts]


def test_the_oldest_run_that_waits_for_runs_is_admitted_once_none_is_active() -> None:
    first, second = waiting(1, "overlap"), waiting(2, "overlap")
    assert admitted([second, first], [first], {}) == [1]
    assert admitted([second, first, replace(a_run(), id=UUID(int=9))], [first], {}) == []


def test_a_key_admits_as_many_runs_as_it_has_free_slots_the_oldest_first() -> None:
    key = Concurrency("k", 3)
    runs = [waiting(n, "concurrency", key) for n in (4, 2, 3, 1)]
    assert admitted(runs, runs, {"k": 1}) == [1, 2]
    assert admitted(runs, runs, {"k": 3}) == []


def test_a_run_that_waits_for_its_key_blocks_the_runs_behind_it() -> None:
    key = Concurrency("k", 2)
    runs = [waiting(1, "concurrency", key), waiting(2, "overlap", key)]
    assert admitted(runs, runs, {"k": 0}) == [1]


def test_of_a_key_that_was_not_asked_for_nothing_is_admitted() -> None:
    """A backfill without a key is woken; before it stands a run with a key whose lock nobody holds."""
    backfill = waiting(1, "overlap", trigger=Trigger.BACKFILL)
    keyed = waiting(2, "overlap", Concurrency("full", 1))
    assert admitted([backfill, keyed], [backfill], {}) == []


def test_a_run_delayed_by_jitter_is_not_admitted_before_it_is_due() -> None:
    early = replace(waiting(1, "overlap"), due_at=NOW + 90 * SECOND)
    assert admitted([early], [early], {}) == []
