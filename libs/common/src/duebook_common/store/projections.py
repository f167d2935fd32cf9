"""The read models: rows that are a function of the log, written in the transaction of the append.

A row is a job's or a run's state and nothing else, so it also serves as the memory from which the next
command is decided: the append judges whether it was still true.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.store.codec import BACKOFF, DEFINITION, NOTIFY, dumps
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import APPEND, APPEND_PARAMETERS, Write, append_arguments, losers

T = TypeVar("T")
Columns = dict[str, str]  # name -> PostgreSQL type

_JOB_KEY: Columns = {"job_id": "uuid"}
_JOB_FIXED: Columns = {"created_at": "timestamptz", "request_hash": "text"}
_JOB_MOVES: Columns = {
    "stream_version": "int",
    "version": "int",
    "definition_version": "int",
    "status": "text",
    "runs": "int",
    "next_at": "timestamptz",
    "next_due_at": "timestamptz",
    "wake_at": "timestamptz",
    "reason": "text",
    "updated_at": "timestamptz",
}
_JOB_DEFINED: Columns = {
    "name": "text",
    "task": "text",
    "queue": "text",
    "priority": "smallint",
    "tags": "jsonb",
    "definition": "jsonb",
}
_RUN_KEY: Columns = {"run_id": "uuid"}
_RUN_FIXED: Columns = {
    "job_id": "uuid",
    "job_name": "text",
    "job_version": "int",
    "definition_version": "int",
    "task": "text",
    "queue": "text",
    "priority": "smallint",
    "nominal_at": "timestamptz",
    "due_at": "timestamptz",
    "trigger": "text",
    "backoff": "jsonb",
    "notify": "jsonb",
    "created_at": "timestamptz",
    "request_hash": "text",
    "start_by": "timestamptz",
    "concurrency_key": "text",
    "concurrency_limit": "int",
    "pause_on_failure": "bool",
}
_RUN_MOVES: Columns = {
    "version": "int",
    "max_attempts": "int",
    "status": "text",
    "dispatch": "int",
    "dispatched_at": "timestamptz",
    "attempt": "int",
    "failures": "int",
    "executor": "text",
    "started_at": "timestamptz",
    "finished_at": "timestamptz",
    "error": "text",
    "result": "jsonb",
    "reason": "text",
    "cancel_requested": "bool",
    "payload": "jsonb",
    "own_payload": "bool",
    "edits": "int",
    "fingerprint": "text",
    "wake_at": "timestamptz",
}

_CASTS = {"tags": "ARRAY(SELECT jsonb_array_elements_text(r.tags))"}


def _insert(table: str, columns: Columns) -> str:
    values = ", ".join(_CASTS.get(name, f"r.{name}") for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {_rows(columns)}"  # noqa: S608


def _update(table: str, key: str, columns: Columns, first: int = 1, join: str = "") -> str:
    sets = ", ".join(f"{name} = {_CASTS.get(name, f'r.{name}')}" for name in columns if name != key)
    return f"UPDATE {table} SET {sets} FROM {_rows(columns, first)} {join} WHERE {table}.{key} = r.{key}"  # noqa: S608


def _rows(columns: Columns, first: int = 1) -> str:
    arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(columns.values(), first))
    return f"unnest({arrays}) AS r ({', '.join(columns)})"


_JOB = _JOB_KEY | _JOB_FIXED | _JOB_MOVES | _JOB_DEFINED
_RUN = _RUN_KEY | _RUN_FIXED | _RUN_MOVES
_INSERT_JOBS = _insert("jobs", _JOB)
_MOVE_JOBS = _update("jobs", "job_id", _JOB_KEY | _JOB_MOVES)
_REDEFINE_JOBS = _update("jobs", "job_id", _JOB_KEY | _JOB_MOVES | _JOB_DEFINED)
_INSERT_RUNS = _insert("runs", _RUN)
_MOVE_RUNS = _update("runs", "run_id", _RUN_KEY | _RUN_MOVES)
_WINNERS = "JOIN won ON won.stream = 'run-' || r.run_id"
_MOVE_WINNERS = _update("runs", "run_id", _RUN_KEY | _RUN_MOVES, APPEND_PARAMETERS + 1, _WINNERS)
_APPEND_AND_MOVE_RUNS = f"""
{APPEND}, projected AS ({_MOVE_WINNERS} RETURNING 'run-' || runs.run_id AS stream, runs.awaited)
SELECT won.stream, projected.awaited FROM won LEFT JOIN projected USING (stream)
"""  # noqa: S608


async def insert_jobs(db: Connection, jobs: Sequence[Job]) -> None:
    await _write(db, _INSERT_JOBS, jobs, _job_row)


async def move_jobs(db: Connection, jobs: Sequence[Job]) -> None:
    """Write what changes from event to event, but for the definition."""
    await _write(db, _MOVE_JOBS, jobs, _job_moves)


async def redefine_jobs(db: Connection, jobs: Sequence[Job]) -> None:
    await _write(db, _REDEFINE_JOBS, jobs, lambda job: (*_job_moves(job), *_job_defined(job)))


async def insert_runs(db: Connection, runs: Sequence[Run]) -> None:
    await _write(db, _INSERT_RUNS, runs, _run_row)


async def move_runs(db: Connection, runs: Sequence[Run]) -> None:
    """Write what changes from event to event."""
    await _write(db, _MOVE_RUNS, runs, _run_moves)


class AppendResult(NamedTuple):
    """The streams that did not get their events, and those of runs that others wait for."""

    lost: set[str]
    awaited: set[str]


async def append_and_move_runs(db: Connection, writes: Sequence[Write], runs: Sequence[Run]) -> AppendResult:
    """Append, and move those runs whose streams got their events: one statement, so one commit by itself."""
    if not writes:
        return AppendResult(set(), set())
    rows = zip(*map(_run_moves, runs), strict=True)
    won = await db.fetch(_APPEND_AND_MOVE_RUNS, *append_arguments(writes), *rows)
    return AppendResult(losers(writes, won), {record["stream"] for record in won if record["awaited"]})


async def _write(db: Connection, statement: str, states: Sequence[T], row: Callable[[T], tuple[Any, ...]]) -> None:
    if states:
        await db.execute(statement, *zip(*map(row, states), strict=True))


def _job_row(job: Job) -> tuple[Any, ...]:
    moves = _job_moves(job)
    return (moves[0], job.created_at, job.request_hash, *moves[1:], *_job_defined(job))


def _job_moves(job: Job) -> tuple[Any, ...]:
    return (
        job.id,
        job.stream_version,
        job.version,
        job.definition_version,
        job.status,
        job.runs,
        job.next_at,
        job.next_due_at,
        job.wake_at,
        job.reason,
        job.updated_at,
    )


def _job_defined(job: Job) -> tuple[Any, ...]:
    definition = job.definition
    return (
        definition.name,
        definition.task,
        definition.queue,
        definition.priority,
        dumps(definition.tags),  # as bytes: of lists in a list asyncpg would make one array of two dimensions
        DEFINITION.dump_json(definition),
    )


def _run_row(run: Run) -> tuple[Any, ...]:
    moves = _run_moves(run)
    fixed = (
        run.job_id,
        run.job_name,
        run.job_version,
        run.definition_version,
        run.task,
        run.queue,
        run.priority,
        run.nominal_at,
        run.due_at,
        run.trigger,
        BACKOFF.dump_json(run.backoff),
        NOTIFY.dump_json(run.notify),
        run.created_at,
        run.request_hash,
        run.start_by,
        run.concurrency and run.concurrency.key,
        run.concurrency and run.concurrency.limit,
        run.pause_on_failure,
    )
    return (moves[0], *fixed, *moves[1:])


def _run_moves(run: Run) -> tuple[Any, ...]:
    return (
        run.id,
        run.version,
        run.max_attempts,
        run.status,
        run.dispatch,
        run.dispatched_at,
        run.attempt,
        run.failures,
        run.executor,
        run.started_at,
        run.finished_at,
        run.error,
        None if run.result is None else dumps(run.result),
        run.reason,
        run.cancel_requested,
        dumps(run.payload) if run.own_payload else None,
        run.own_payload,
        run.edits,
        run.fingerprint,
        run.wake_at,
    )
