"""How a batch of due runs is sorted by what each needs."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_common.domain.run.state import RunStatus
from duebook_scheduler.due_runs import DueRun
from duebook_scheduler.waker import _Plan, _plan
from duebook_scheduler.waking import WakeContext
from support.samples import HOUR, NOW, a_run


def due(n: int, status: str, **fields: Any) -> DueRun:
    return DueRun(replace(a_run(), id=UUID(int=n), status=RunStatus(status), **fields), None, job_deleted=False)


def planned(batch: list[DueRun], leases_trusted_at: datetime, capacity: dict[str, int]) -> _Plan:
    return _plan(batch, WakeContext(NOW, leases_trusted_at, capacity, frozenset()), capacity)


def test_a_batch_sends_no_more_retries_than_its_queues_have_capacity_for() -> None:
    retries = [due(n, "retrying", queue="a") for n in (1, 2, 3)] + [due(4, "retrying", queue="b")]
    plan = planned(retries, NOW, {"a": 2, "b": 1})
    assert [run.run.id.int for run in plan.to_wake] == [1, 2, 4]
    assert [run.id.int for run, _ in plan.postponed] == [3]


def test_lost_attempts_and_unsent_runs_take_no_capacity() -> None:
    batch = [due(1, "running"), due(2, "dispatched", dispatch=0), due(3, "retrying")]
    plan = planned(batch, NOW, {"default": 1})
    assert [run.run.id.int for run in plan.to_wake] == [1, 2, 3]


def test_each_kind_of_due_run_is_dealt_with_apart() -> None:
    batch = [due(1, "dead_lettered"), due(2, "waiting"), due(3, "retrying"), due(4, "dispatched", dispatch=1)]
    plan = planned(batch, NOW + HOUR, {"default": 9})
    assert [run.id.int for run in plan.dead] == [1]
    assert [run.id.int for run in plan.waiting] == [2]
    assert [run.run.id.int for run in plan.to_wake] == [3]
    assert [run.id.int for run, _ in plan.postponed] == [4]
