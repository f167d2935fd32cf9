"""Rows of the read models, read back as the states that they are."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Concurrency, Rate
from duebook_common.domain.job.ledger import RunOutcome
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import Run, RunStatus, of_fields
from duebook_common.store.codec import BACKOFF, DEFINITION, NOTIFY
from duebook_common.store.database import Connection
from duebook_common.store.predicates import ACTIVE, one_of

# The fields of the states that columns of the same name hold as they are; the others are converted below.
_JOB_FIELDS = tuple(f.name for f in fields(Job) if f.name not in {"id", "definition", "status"})
_RUN_FIELDS = tuple(
    f.name for f in fields(Run) if f.name not in {"id", "trigger", "backoff", "notify", "status", "concurrency", "rate"}
)


# The columns of a run that a decision needs. A client chooses the size of a payload, and a task that of a result.
_NOT_DECIDED_BY = frozenset({"payload", "result"})
_RUN_COLUMNS = (
    "run_id",
    "trigger",
    "backoff",
    "notify",
    "status",
    "concurrency_key",
    "concurrency_limit",
    "rate_key",
    "rate_limit",
    "rate_per",
    *_RUN_FIELDS,
)
TO_DECIDE = ", ".join(
    f"NULL::jsonb AS {column}" if column in _NOT_DECIDED_BY else f"runs.{column}" for column in _RUN_COLUMNS
)


def job_of(record: Any) -> Job:
    """The job that a row of `jobs` holds."""
    return Job(
        id=record["job_id"],
        definition=DEFINITION.validate_python(record["definition"]),
        status=JobStatus(record["status"]),
        **{name: record[name] for name in _JOB_FIELDS},
    )


def run_of(record: Any) -> Run:
    """The run that a row of `runs` holds."""
    return of_fields(
        {
            "id": record["run_id"],
            "trigger": Trigger(record["trigger"]),
            "backoff": BACKOFF.validate_python(record["backoff"]),
            "notify": NOTIFY.validate_python(record["notify"]),
            "status": RunStatus(record["status"]),
            "concurrency": concurrency_of(record),
            "rate": rate_of(record),
            **{name: record[name] for name in _RUN_FIELDS},
        }
    )


def concurrency_of(record: Any) -> Concurrency | None:
    """What the columns of a run hold of its concurrency key."""
    key = record["concurrency_key"]
    return None if key is None else Concurrency(key, record["concurrency_limit"])


def rate_of(record: Any) -> Rate | None:
    """What the columns of a run hold of its rate."""
    key = record["rate_key"]
    return None if key is None else Rate(key, record["rate_limit"], record["rate_per"])


_LOAD_JOBS = f"SELECT * FROM jobs WHERE job_id {one_of('$1')}"  # noqa: S608
_LOAD_RUNS = f"SELECT * FROM runs WHERE run_id {one_of('$1')}"  # noqa: S608
_LOAD_RUNS_TO_DECIDE = f"SELECT {TO_DECIDE} FROM runs WHERE run_id {one_of('$1')}"  # noqa: S608


async def load_jobs(db: Connection, job_ids: Iterable[UUID]) -> dict[UUID, Job]:
    """The jobs that exist, in the order of `job_ids`: the scheduler decides the most urgent first."""
    return await _load_jobs(db, _LOAD_JOBS, list(job_ids))


# Of a definition a decision needs neither metadata nor payload, but for an address that mails may go to. The payload is
# removed first: each step copies every value of what it keeps, which took 25 ms for a large payload.
_LOAD_JOBS_TO_DECIDE = f"""
SELECT job_id, status, {", ".join(_JOB_FIELDS)}, definition - 'payload' - 'metadata'
    || jsonb_build_object('payload', CASE
    WHEN jsonb_typeof(definition #> '{{payload,to}}') = 'string' AND length(definition #>> '{{payload,to}}') < 255
    THEN jsonb_build_object('to', definition #> '{{payload,to}}') ELSE '{{}}' END) AS definition
FROM jobs WHERE job_id {one_of("$1")}
"""  # noqa: S608


_IDS_OF_KEYS = "SELECT key, job_id FROM jobs WHERE key = ANY($1::text[]) AND status <> 'deleted'"


async def job_ids_of_keys(db: Connection, keys: Iterable[str]) -> dict[str, UUID]:
    """The ids of the jobs that have these keys now; a deleted job has none."""
    return {record["key"]: record["job_id"] for record in await db.fetch(_IDS_OF_KEYS, list(keys))}


async def load_jobs_to_decide(db: Connection, job_ids: Iterable[UUID]) -> dict[UUID, Job]:
    """The jobs that exist, without payload and metadata, in the order of `job_ids`. They must not be redefined."""
    return await _load_jobs(db, _LOAD_JOBS_TO_DECIDE, list(job_ids))


async def _load_jobs(db: Connection, statement: str, wanted: Sequence[UUID]) -> dict[UUID, Job]:
    found = {record["job_id"]: job_of(record) for record in await db.fetch(statement, wanted)}
    return {job_id: found[job_id] for job_id in wanted if job_id in found}


async def load_runs(db: Connection, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
    """The runs that exist, in no order."""
    return {record["run_id"]: run_of(record) for record in await db.fetch(_LOAD_RUNS, list(run_ids))}


async def load_runs_to_decide(db: Connection, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
    """The runs that exist, without payload and result, in no order."""
    return {record["run_id"]: run_of(record) for record in await db.fetch(_LOAD_RUNS_TO_DECIDE, list(run_ids))}


_OUTCOMES = """
SELECT run_id, status, reason, NULL AS archived, attempt, trigger FROM runs WHERE run_id = ANY($1::uuid[])
UNION ALL
SELECT run_id, status, reason, archives.period, attempt, trigger FROM ledger_lines
JOIN archives ON archives.number = ledger_lines.archive WHERE run_id = ANY($1::uuid[])
"""


async def load_outcomes(db: Connection, run_ids: Iterable[UUID]) -> dict[UUID, RunOutcome]:
    """What the ledger shows of the runs that exist, or have left for an archive."""
    records = await db.fetch(_OUTCOMES, list(run_ids))
    return {run_id: RunOutcome(*outcome) for run_id, *outcome in records}


_PERIODS = f"SELECT run_id, born FROM runs WHERE run_id {one_of('$1')}"  # noqa: S608


async def periods_of(db: Connection, run_ids: Iterable[UUID]) -> dict[UUID, datetime]:
    """The periods (UTC) in which the streams of the runs that exist were opened."""
    return {record["run_id"]: record["born"] for record in await db.fetch(_PERIODS, list(run_ids))}


# One probe of `runs_active` for each job, for the reason that `one_of` gives. The array is in a subselect: if
# PostgreSQL knew how long it is while it plans, it would plan each call anew, which takes longer than to execute it.
ACTIVE_RUNS = f"""
SELECT active.* FROM unnest((SELECT $1::uuid[])) AS wanted (job_id), LATERAL (
    SELECT {TO_DECIDE} FROM runs WHERE runs.job_id = wanted.job_id AND {ACTIVE} OFFSET 0
) AS active
"""  # noqa: S608


async def load_active_runs(db: Connection, job_ids: Iterable[UUID]) -> dict[UUID, list[Run]]:
    """The active runs of these jobs, by job, without payload: those that have neither ended nor been dead-lettered."""
    active: dict[UUID, list[Run]] = {}
    for record in await db.fetch(ACTIVE_RUNS, list(job_ids)):
        active.setdefault(record["job_id"], []).append(run_of(record))
    return active


_COUNT_ACTIVE = f"""
SELECT job_id, count(*) AS active FROM runs WHERE job_id = ANY($1::uuid[]) AND {ACTIVE} GROUP BY job_id
"""  # noqa: S608


async def count_active_runs(db: Connection, job_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many active runs each of these jobs has. Exact while the jobs are locked."""
    wanted = list(job_ids)
    return dict.fromkeys(wanted, 0) | {r["job_id"]: r["active"] for r in await db.fetch(_COUNT_ACTIVE, wanted)}


_PLANNED_WAKEUPS = f"SELECT run_id, planned_wake_at FROM runs WHERE run_id {one_of('$1')}"  # noqa: S608


async def planned_wakeups(db: Connection, runs: Iterable[Run]) -> dict[UUID, datetime | None]:
    """The `wake_at` that the last event of each of these runs has set, as their rows have it."""
    wanted = [run.id for run in runs]
    found = {record["run_id"]: record["planned_wake_at"] for record in await db.fetch(_PLANNED_WAKEUPS, wanted)}
    return dict.fromkeys(wanted) | found


_INCONSISTENT_JOBS = """
SELECT job_id FROM jobs WHERE job_id = ANY($1::uuid[]) AND (
    (name, task, queue, key, priority::text, to_jsonb(tags)) IS DISTINCT FROM
    (definition ->> 'name', coalesce(definition ->> 'task', 'log'), coalesce(definition ->> 'queue', 'default'),
     definition ->> 'key', coalesce(definition ->> 'priority', '4'), coalesce(definition -> 'tags', '[]'))
    OR CASE WHEN status = 'active' THEN wake_at < coalesce(next_due_at, next_at) ELSE wake_at IS NOT NULL END
)
"""


async def inconsistent_jobs(db: Connection, job_ids: Iterable[UUID]) -> set[UUID]:
    """The jobs whose row contradicts itself in columns that are no field of the state.

    These are the columns that repeat the definition, for lists to filter by, and `wake_at`. That may be later than
    the next due time, because catching up pauses while many runs of the job are active (`wakeups.postpone_jobs`).
    """
    return {record["job_id"] for record in await db.fetch(_INCONSISTENT_JOBS, list(job_ids))}
