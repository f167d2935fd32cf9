"""The targets of a bulk operation: the jobs, runs or dead letters that match its filter, in the order of creation.

Only what existed when the operation was requested is a target. What it does to a target takes it out of the filter, or
the target lies before the cursor, so no target is found twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from duebook_common.domain.bulk.events import ON_JOBS, BulkAction, BulkFilter
from duebook_common.domain.bulk.progress import Cursor, Progress
from duebook_common.store.database import Connection
from duebook_common.store.predicates import containing

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
# No index finds running runs in order: they are looked for by themselves, among all active runs. A run may be waiting
# for a retry while the running ones are looked for, and run again later, so both searches are made twice.
_WITHOUT_INDEX = "running"
SEARCHED_ROWS = 50_000  # at once, so that a rare target takes several looks, and no look takes long


@dataclass(frozen=True, slots=True)
class Target:
    """A job or a run. `max_attempts` and `job_deleted` are known of runs only."""

    id: UUID
    cursor: Cursor
    max_attempts: int = 0
    job_deleted: bool = False


def phases(action: BulkAction, filter_: BulkFilter) -> list[Sequence[str]]:
    """The statuses of each search for targets, in their order."""
    statuses = [each for each in STATUSES[action] if not filter_.status or each in filter_.status]
    indexed = [each for each in statuses if each != _WITHOUT_INDEX]
    if _WITHOUT_INDEX not in statuses or not indexed:
        return [statuses]
    return [indexed, [_WITHOUT_INDEX]] * 2


class TargetPage(NamedTuple):
    """The next targets, and up to where was searched; None if there are no rows behind the last target."""

    targets: Sequence[Target]
    searched_to: Cursor | None


class _Table(NamedTuple):
    """How the targets of some actions are read. `conditions`: the filters by name, on rows named `target`."""

    name: str
    order: str
    key: str
    columns: str
    conditions: dict[str, str]


_SHARED = {"task": "task = {}", "queue": "queue = {}"}
_JOBS = _Table(
    "jobs",
    "created_at, job_id",
    "created_at, created_at AS nominal_at, job_id AS id",
    "0 AS max_attempts, false AS job_deleted",
    {**_SHARED, "name": "name = {}", "q": "name ILIKE {}", "tag": "tags @> ARRAY[{}]::text[]"},
)
_RUNS = _Table(
    "runs",
    "created_at, nominal_at, run_id",
    "created_at, nominal_at, run_id AS id",
    "max_attempts, (SELECT status = 'deleted' FROM jobs WHERE jobs.job_id = target.job_id) AS job_deleted",
    {
        **_SHARED,
        "q": "(job_name ILIKE {0} OR error ILIKE {0})",
        "tag": "(SELECT tags FROM jobs WHERE jobs.job_id = target.job_id) @> ARRAY[{}]::text[]",
        "fingerprint": "fingerprint = {}",
        "trigger": "trigger = {}",
        "executor": "executor = {}",
        "due_from": "due_at >= {}",
        "due_to": "due_at < {}",
        "finished_from": "finished_at >= {}",
        "finished_to": "finished_at < {}",
    },
)

# The jobs of the tag are read once. A page looks at the job of each run instead, because it ends with its last run.
_OF_COUNTS = {"tag": "job_id IN (SELECT job_id FROM jobs WHERE tags @> ARRAY[{}]::text[] AND tags <> '{{}}')"}


def _table_of(action: BulkAction) -> _Table:
    return _JOBS if action in ON_JOBS else _RUNS


class _Search:
    """The SQL for one operation. Each status has a statement of its own, which can use the index of the status."""

    def __init__(
        self,
        action: BulkAction,
        filter_: BulkFilter,
        requested_at: datetime,
        statuses: Sequence[str],
        after: Cursor | None = None,
        *,
        counts: bool = False,
    ) -> None:
        """With `counts` every row is looked at."""
        self._table, self._statuses = _table_of(action), statuses
        self.arguments: list[object] = []
        self._indexed = [self._given("created_at <= {}", requested_at)]
        if action is BulkAction.CANCEL:
            # Always so; it lets PostgreSQL read the index of a status as a whole.
            self._indexed.append("wake_at IS NOT NULL AND queue >= '' AND NOT cancel_requested")
        if filter_.job_id is not None:
            self._indexed.append(self._given("job_id = {}::uuid", filter_.job_id))
        if after is not None:
            key = [after.created_at, after.id] if self._table is _JOBS else [*after]
            marks = ", ".join(["{}"] * len(key))
            self._indexed.append(self._given(f"({self._table.order}) > ({marks})", *key))
        self.indexed_arguments = [*self.arguments]
        conditions = self._table.conditions | (_OF_COUNTS if counts else {})
        values = {name: getattr(filter_, name) for name in self._table.conditions}
        values["q"] = None if filter_.q is None else containing(filter_.q)
        self._others = [self._given(conditions[name], value) for name, value in values.items() if value is not None]

    def _given(self, condition: str, *values: object) -> str:
        numbers = range(len(self.arguments) + 1, len(self.arguments) + len(values) + 1)
        self.arguments += values
        return condition.format(*(f"${number}" for number in numbers))

    def add_deleted(self) -> None:
        self._others.append("job_id IN (SELECT job_id FROM jobs WHERE status = 'deleted')")

    def count(self) -> str:
        return f"SELECT count(*) FROM ({self._each('')}) AS target WHERE {self._condition}"  # noqa: S608

    def page(self, limit: int) -> str:
        """The first targets; they come in the order of the candidates, so that the search ends with the last one."""
        table = self._table
        select = f"SELECT {table.key}, {table.columns} FROM ({self._candidates}) AS target"  # noqa: S608
        return f"{select} WHERE {self._condition} ORDER BY {table.order} LIMIT {limit}"

    def last(self) -> str:
        """The last row that the search looks at, if there may be further ones; it takes `indexed_arguments`."""
        table = self._table
        select = f"SELECT {table.key}, {table.columns} FROM ({self._candidates}) AS target"  # noqa: S608
        return f"{select} ORDER BY {table.order} OFFSET {SEARCHED_ROWS - 1} LIMIT 1"

    @property
    def _condition(self) -> str:
        return " AND ".join(self._others) or "true"

    @property
    def _candidates(self) -> str:
        end = f"ORDER BY {self._table.order} LIMIT {SEARCHED_ROWS}"
        return f"SELECT * FROM ({self._each(end)}) AS every {end}"  # noqa: S608

    def _each(self, end: str) -> str:
        conditions = " AND ".join(self._indexed)
        return " UNION ALL ".join(
            f"(SELECT * FROM {self._table.name} WHERE status = '{status}' AND {conditions} {end})"  # noqa: S608
            for status in self._statuses
        )


async def count_targets(
    db: Connection, action: BulkAction, filter_: BulkFilter, requested_at: datetime, *, of_deleted_jobs: bool = False
) -> int:
    """How many targets match now; of runs only those of deleted jobs, if asked for."""
    every = dict.fromkeys(status for statuses in phases(action, filter_) for status in statuses)
    search = _Search(action, filter_, requested_at, list(every), counts=True)
    if of_deleted_jobs:
        search.add_deleted()
    count: int = await db.fetchval(search.count(), *search.arguments)
    return count


async def next_targets(
    db: Connection,
    action: BulkAction,
    filter_: BulkFilter,
    requested_at: datetime,
    progress: Progress,
    limit: int,
) -> TargetPage:
    """The next targets that match now, at most `limit`, among the next SEARCHED_ROWS rows of the phase."""
    statuses = phases(action, filter_)[progress.phase]
    search = _Search(action, filter_, requested_at, statuses, progress.cursor)
    targets = [_target(record) for record in await db.fetch(search.page(limit), *search.arguments)]
    if len(targets) == limit:
        return TargetPage(targets, targets[-1].cursor)
    last = await db.fetchrow(search.last(), *search.indexed_arguments)
    return TargetPage(targets, None if last is None else _target(last).cursor)


async def named_targets(db: Connection, action: BulkAction, ids: Sequence[UUID]) -> list[Target]:
    """The targets with these ids."""
    table, key = _table_of(action), "job_id" if action in ON_JOBS else "run_id"
    named = f"SELECT {table.key}, {table.columns} FROM {table.name} AS target WHERE {key} = ANY($1::uuid[])"  # noqa: S608
    return [_target(record) for record in await db.fetch(named, ids)] if ids else []


def _target(record: Any) -> Target:
    cursor = Cursor(record["created_at"], record["nominal_at"], record["id"])
    return Target(record["id"], cursor, record["max_attempts"], record["job_deleted"])
