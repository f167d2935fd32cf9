"""The read model of bulk operations, and how far the worker has come, which only ends of operations record as events.

`bulk_operations` is the fold of the streams. `bulk_progress` is written in the transaction of what is done, so it is
true at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from duebook_common.domain.bulk.events import ON_JOBS, BulkAction, BulkFilter
from duebook_common.domain.bulk.progress import Cursor, Progress
from duebook_common.domain.bulk.state import BulkOperation, BulkStatus
from duebook_common.store.database import Connection, rows_changed
from duebook_common.store.departed_acts import acts_of

FILTER: TypeAdapter[BulkFilter] = TypeAdapter(BulkFilter)

# The columns, and the fields of `BulkOperation` that have other names.
_RENAMED = {"bulk_id": "id", "most": "limit"}
_COLUMNS = (
    "bulk_id", "version", "action", "filter", "reason", "rate", "most", "matched", "request_hash", "requested_by",
    "requested_at", "status", "done", "refused", "ended_at", "aborted_by", "abort_reason",
)  # fmt: skip
_NUMBERS = ", ".join(f"${n}" for n, _ in enumerate(_COLUMNS, 1))
_PUT = f"""
INSERT INTO bulk_operations ({", ".join(_COLUMNS)}) VALUES ({_NUMBERS})
ON CONFLICT (bulk_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
"""  # noqa: S608
_PUT_PROGRESS = """
INSERT INTO bulk_progress (bulk_id, phase, created_at, nominal_at, target_id, again, done, refused, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (bulk_id) DO UPDATE SET
    phase = excluded.phase, created_at = excluded.created_at, nominal_at = excluded.nominal_at,
    target_id = excluded.target_id, again = excluded.again, done = excluded.done, refused = excluded.refused,
    next_at = excluded.next_at
"""
WITH_PROGRESS = """
SELECT o.*, p.bulk_id IS NOT NULL AS has_progress, p.phase, p.created_at, p.nominal_at, p.target_id, p.again,
       p.done AS done_so_far, p.refused AS refused_so_far, p.next_at
FROM bulk_operations AS o LEFT JOIN bulk_progress AS p USING (bulk_id)
"""
_LOAD = f"{WITH_PROGRESS} WHERE o.bulk_id = ANY($1::uuid[])"
_RUNNING = "SELECT bulk_id FROM bulk_operations WHERE status = 'running' ORDER BY requested_at, bulk_id"
_RUNNING_OF = "SELECT count(*) FROM bulk_operations WHERE status = 'running' AND requested_by = $1"
# An act may have several events, and those of other streams, such as the runs that the end of a job cancels.
MOST_RUNS = 20_000
"""Of so many runs of one operation it is asked what became of them."""
RUNS_OF_BULK = f"""
SELECT substr(stream, 5)::uuid FROM (
    SELECT DISTINCT stream FROM events
    WHERE meta ? 'bulk' AND meta ->> 'bulk' = {{}} AND starts_with(stream, 'run-') ORDER BY stream LIMIT {MOST_RUNS}
) AS acts
"""  # noqa: S608
# The array makes the database read the runs by their ids, however many others there are.
_OUTCOMES = f"""
SELECT status, count(*) AS runs FROM runs WHERE run_id = ANY(ARRAY({RUNS_OF_BULK.format("$1")}))
GROUP BY status ORDER BY status
"""  # noqa: S608
_DELETE_ORPHANS = """
DELETE FROM bulk_operations WHERE NOT EXISTS (
    SELECT FROM events WHERE stream = 'bulk-' || bulk_id AND version = 1
)
"""


@dataclass(frozen=True, slots=True)
class BulkRow:
    """An operation, and how far it has come; None if that is not known any more."""

    bulk: BulkOperation
    progress: Progress | None


def of_record(record: Any) -> BulkRow:
    """A row of WITH_PROGRESS."""
    values = {_RENAMED.get(name, name): record[name] for name in _COLUMNS}
    values |= {
        "action": BulkAction(values["action"]),
        "filter": FILTER.validate_python(values["filter"]),
        "status": BulkStatus(values["status"]),
    }
    return BulkRow(BulkOperation(**values), _progress(record) if record["has_progress"] else None)


def _progress(record: Any) -> Progress:
    is_started = record["target_id"] is not None
    cursor = Cursor(record["created_at"], record["nominal_at"], record["target_id"]) if is_started else None
    return Progress(
        phase=record["phase"],
        cursor=cursor,
        again=tuple(record["again"]),
        done=record["done_so_far"],
        refused=record["refused_so_far"],
        next_at=record["next_at"],
    )


async def load_bulk(db: Connection, bulk_ids: Sequence[UUID]) -> dict[UUID, BulkRow]:
    """The operations that exist, in no order."""
    rows = [of_record(record) for record in await db.fetch(_LOAD, bulk_ids)]
    return {row.bulk.id: row for row in rows}


async def running_bulk(db: Connection) -> list[UUID]:
    """The operations that go on, the oldest first."""
    return [record["bulk_id"] for record in await db.fetch(_RUNNING)]


async def count_running(db: Connection, actor: str) -> int:
    """How many operations of this actor go on."""
    count: int = await db.fetchval(_RUNNING_OF, actor)
    return count


async def put_bulk(db: Connection, bulk: BulkOperation) -> None:
    """Insert the row of the operation, or update it."""
    values = [getattr(bulk, _RENAMED.get(name, name)) for name in _COLUMNS]
    values[_COLUMNS.index("filter")] = FILTER.dump_json(bulk.filter)
    await db.execute(_PUT, *values)


async def put_progress(db: Connection, bulk_id: UUID, progress: Progress) -> None:
    """Insert the progress of the operation, or update it, in the transaction of what was done."""
    cursor = progress.cursor or (None, None, None)
    counts = progress.done, progress.refused
    await db.execute(_PUT_PROGRESS, bulk_id, progress.phase, *cursor, progress.again, *counts, progress.next_at)


async def lost_progress(db: Connection, bulk: BulkOperation) -> Progress:
    """The progress of an operation whose row was lost, from the log: it is read whole, so this is rare."""
    return Progress(done=await acts_of(db, bulk.id, acts_prefix(bulk.action)))


async def outcomes(db: Connection, bulk: BulkOperation) -> dict[str, int] | None:
    """What became of the runs that it acted on: how many have each status now, of `MOST_RUNS` at most.

    None for an action on jobs that makes no runs.
    """
    if bulk.action in ON_JOBS - {BulkAction.TRIGGER}:
        return None
    return {row["status"]: row["runs"] for row in await db.fetch(_OUTCOMES, str(bulk.id))}


def acts_prefix(action: BulkAction) -> str:
    """How the names of the streams begin in which each act has an event."""
    return "job-" if action in ON_JOBS - {BulkAction.TRIGGER} else "run-"


async def delete_orphans(db: Connection) -> int:
    """Delete the rows that have no stream: `rebuild`. Returns how many."""
    return rows_changed(await db.execute(_DELETE_ORPHANS))
