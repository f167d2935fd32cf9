"""The targets of a bulk operation: the jobs, runs or dead letters that match its filter, in the order of creation.

Only what existed when the operation was requested is a target. What it does to a target takes it out of the filter or
lies before the cursor, so no target is found twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_common.domain.bulk.events import ON_JOBS, BulkAction, BulkFilter
from duebook_common.domain.bulk.progress import Cursor
from duebook_common.store.database import Connection

# The statuses in which an action has a meaning.
STATUSES = {
    BulkAction.PAUSE: ("active",),
    BulkAction.RESUME: ("paused",),
    BulkAction.TRIGGER: ("active", "paused", "finished"),
    BulkAction.DELETE: ("active", "paused", "finished"),
    BulkAction.CANCEL: ("waiting", "retrying", "dispatched", "running"),
    BulkAction.REDRIVE: ("dead_lettered",),
    BulkAction.DISCARD: ("dead_lettered",),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A job or a run. `max_attempts` and `job_deleted` are known of runs only."""

    id: UUID
    cursor: Cursor
    max_attempts: int = 0
    job_deleted: bool = False


_JOBS, _RUNS = "created_at, job_id", "created_at, nominal_at, run_id"
_OF_JOB = "job_id AS id, created_at, created_at AS nominal_at, 0 AS max_attempts, false AS job_deleted"
_OF_RUN = """run_id AS id, created_at, nominal_at, max_attempts,
(SELECT status = 'deleted' FROM jobs WHERE jobs.job_id = runs.job_id) AS job_deleted"""
_TAGGED = "tags @> ARRAY[{}]::text[] AND tags <> '{{}}'"  # the second part is that of the partial index
_CONDITIONS = {"name": "name = {}", "job_id": "job_id = {}::uuid", "task": "task = {}", "queue": "queue = {}"}


class _Search:
    """The SQL for one operation: a statement for each status, so that each can use the index of its status."""

    def __init__(self, action: BulkAction, filter_: BulkFilter, requested_at: datetime) -> None:
        self._of_jobs = action in ON_JOBS
        self._table, self._order, self._columns = (
            ("jobs", _JOBS, _OF_JOB) if self._of_jobs else ("runs", _RUNS, _OF_RUN)
        )
        wanted = STATUSES[action]
        self._statuses = [status for status in wanted if not filter_.status or status in filter_.status]
        self.arguments: list[object] = []
        self._conditions = [self._given("created_at <= {}", requested_at), *self._filters(filter_)]
        if action is BulkAction.CANCEL:
            self._conditions.append("wake_at IS NOT NULL AND NOT cancel_requested")

    def _given(self, condition: str, *values: object) -> str:
        numbers = range(len(self.arguments) + 1, len(self.arguments) + len(values) + 1)
        self.arguments += values
        return condition.format(*(f"${number}" for number in numbers))

    def _filters(self, filter_: BulkFilter) -> list[str]:
        tagged = _TAGGED if self._of_jobs else f"job_id IN (SELECT job_id FROM jobs WHERE {_TAGGED})"  # noqa: S608
        conditions = {**_CONDITIONS, "fingerprint": "fingerprint = {}", "tag": tagged}
        values = {name: getattr(filter_, name) for name in conditions}
        return [self._given(conditions[name], value) for name, value in values.items() if value is not None]

    def add_cursor(self, after: Cursor) -> None:
        if self._of_jobs:
            self._conditions.append(self._given(f"({self._order}) > ({{}}, {{}})", after.created_at, after.id))
        else:
            self._conditions.append(self._given(f"({self._order}) > ({{}}, {{}}, {{}})", *after))

    def add_deleted(self) -> None:
        self._conditions.append("job_id IN (SELECT job_id FROM jobs WHERE status = 'deleted')")

    def count(self) -> str:
        return f"SELECT coalesce(sum(n), 0)::bigint FROM ({self._each('count(*) AS n')}) AS counts"  # noqa: S608

    def next(self, limit: int) -> str:
        end = f"ORDER BY {self._order} LIMIT {limit}"
        sorted_ = "created_at, nominal_at, id"
        return f"SELECT * FROM ({self._each(self._columns, end)}) AS found ORDER BY {sorted_} LIMIT {limit}"  # noqa: S608

    def _each(self, columns: str, end: str = "") -> str:
        conditions = " AND ".join(self._conditions)
        return " UNION ALL ".join(
            f"(SELECT {columns} FROM {self._table} WHERE status = '{status}' AND {conditions} {end})"  # noqa: S608
            for status in self._statuses
        )


async def count_targets(
    db: Connection, action: BulkAction, filter_: BulkFilter, requested_at: datetime, *, of_deleted_jobs: bool = False
) -> int:
    """How many targets match now; of runs only those of deleted jobs, if asked for."""
    search = _Search(action, filter_, requested_at)
    if of_deleted_jobs:
        search.add_deleted()
    count: int = await db.fetchval(search.count(), *search.arguments)
    return count


async def next_targets(
    db: Connection,
    action: BulkAction,
    filter_: BulkFilter,
    requested_at: datetime,
    after: Cursor | None,
    limit: int,
) -> list[Target]:
    """The first targets after the cursor that match now, at most `limit`."""
    search = _Search(action, filter_, requested_at)
    if after is not None:
        search.add_cursor(after)
    return [_target(record) for record in await db.fetch(search.next(limit), *search.arguments)]


_NAMED_JOBS = f"SELECT {_OF_JOB} FROM jobs WHERE job_id = ANY($1::uuid[])"  # noqa: S608
_NAMED_RUNS = f"SELECT {_OF_RUN} FROM runs WHERE run_id = ANY($1::uuid[])"  # noqa: S608


async def named_targets(db: Connection, action: BulkAction, ids: Sequence[UUID]) -> list[Target]:
    """The targets with these ids."""
    statement = _NAMED_JOBS if action in ON_JOBS else _NAMED_RUNS
    return [_target(record) for record in await db.fetch(statement, ids)] if ids else []


def _target(record: Any) -> Target:
    cursor = Cursor(record["created_at"], record["nominal_at"], record["id"])
    return Target(record["id"], cursor, record["max_attempts"], record["job_deleted"])
