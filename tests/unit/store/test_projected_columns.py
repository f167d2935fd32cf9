"""Each field of a state has a column, and no column is named twice."""

from dataclasses import fields

from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.store.columns import Column
from duebook_common.store.projected_columns import JOB, RUN


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
