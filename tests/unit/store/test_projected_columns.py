"""Each field of a state has a column, and no column is named twice."""

from dataclasses import fields, replace
from typing import Any

import pytest

from duebook_common.domain.job.state import Job
from duebook_common.domain.run.events import AttemptStarted, AttemptSucceeded
from duebook_common.domain.run.evolve import evolve
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.columns import Column
from duebook_common.store.projected_columns import JOB, RUN, RUN_ATTEMPTED
from support.samples import NOW, SECOND, a_run


def names(columns: tuple[Column[Job], ...] | tuple[Column[Run], ...]) -> list[str]:
    return [column.name for column in columns]


def test_each_field_of_a_run_has_a_column() -> None:
    columns = names(RUN)
    assert len(columns) == len(set(columns))
    wanted = {field.name for field in fields(Run)} - {"id", "concurrency", "rate"}
    of_limits = {"concurrency_key", "concurrency_limit", "rate_key", "rate_limit", "rate_per"}
    assert set(columns) == wanted | of_limits | {"run_id", "planned_wake_at"}


def test_each_field_of_a_job_has_a_column() -> None:
    columns = names(JOB)
    assert len(columns) == len(set(columns))
    wanted = {field.name for field in fields(Job)} - {"id"}
    assert set(columns) == wanted | {"job_id", "wake_at", "name", "task", "queue", "priority", "tags", "key"}


STARTED = AttemptStarted(attempt=2, executor="another", wake_at=NOW + SECOND, at=NOW + SECOND)
SUCCEEDED = AttemptSucceeded(attempt=1, result={"n": 1}, at=NOW + SECOND)


@pytest.mark.parametrize("event", [STARTED, SUCCEEDED])
def test_the_update_of_attempts_has_all_that_they_change(event: AttemptStarted | AttemptSucceeded) -> None:
    """It leaves out the other columns: whatever they hold, the event keeps it."""
    unlike: dict[str, Any] = {
        "deferrals": 3,
        "error": "boom",
        "held": True,
        "finished_at": NOW,
        "executor": "one",
        "attempt": 1,
    }
    run = replace(a_run(), status=RunStatus.RUNNING, wake_at=NOW, **unlike)
    after = evolve(run, event)
    changed = {field.name for field in fields(Run) if getattr(run, field.name) != getattr(after, field.name)}
    assert changed <= set(names(RUN_ATTEMPTED))
