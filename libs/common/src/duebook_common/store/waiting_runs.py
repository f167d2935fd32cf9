"""What admission reads of the many runs that wait for a concurrency key or a rate: less than all of their rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Concurrency, Rate
from duebook_common.domain.run.events import Trigger
from duebook_common.store.rows import concurrency_of, rate_of

WAITING_COLUMNS = """run_id, trigger, created_at, nominal_at, queue, task, wake_at,
    concurrency_key, concurrency_limit, rate_key, rate_limit, rate_per"""


@dataclass(frozen=True, slots=True)
class WaitingRunRow:
    """A waiting run, with what its position and its limits depend on. Times are in UTC."""

    id: UUID
    trigger: Trigger
    created_at: datetime
    nominal_at: datetime
    queue: str
    task: str
    wake_at: datetime
    concurrency: Concurrency | None
    rate: Rate | None


def waiting_run_of(record: Any) -> WaitingRunRow:
    """The run that a record with WAITING_COLUMNS holds."""
    return WaitingRunRow(
        id=record["run_id"],
        trigger=Trigger(record["trigger"]),
        created_at=record["created_at"],
        nominal_at=record["nominal_at"],
        queue=record["queue"],
        task=record["task"],
        wake_at=record["wake_at"],
        concurrency=concurrency_of(record),
        rate=rate_of(record),
    )
