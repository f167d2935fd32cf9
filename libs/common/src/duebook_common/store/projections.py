"""The read models: rows that are a function of the log, written in the transaction of the append.

A row is the state of a job or a run and nothing else. So the next command is decided from the row, and the append
checks that the row's version is still the last one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from duebook_common.domain.job.state import Job
from duebook_common.domain.run.events import AttemptStarted, AttemptSucceeded
from duebook_common.domain.run.state import Run
from duebook_common.store.append_statements import (
    APPEND,
    APPEND_NEXT,
    APPEND_NEXT_EACH,
    APPEND_NEXT_PARAMETERS,
    APPEND_ONE_EACH,
    APPEND_PARAMETERS,
    APPEND_STARTS,
    APPEND_STARTS_PARAMETERS,
)
from duebook_common.store.columns import Column, arguments, inserts, update, updates
from duebook_common.store.conflict import unique_keys
from duebook_common.store.database import Connection, rows_changed
from duebook_common.store.eventstore import (
    Write,
    append_arguments,
    next_arguments,
    next_each,
    one_each,
    start_arguments,
)
from duebook_common.store.projected_columns import (
    JOB,
    JOB_REDEFINED,
    JOB_UPDATED,
    RUN,
    RUN_ATTEMPTED,
    RUN_UPDATED,
)
from duebook_common.store.rate_starts import COUNT_STARTS

# INSERT INTO jobs (job_id, created_at, …) SELECT …
_INSERT_JOBS, _INSERT_RUNS = inserts("jobs", JOB), inserts("runs", RUN)
# UPDATE jobs SET stream_version = r.stream_version, … FROM …
_UPDATE_JOBS, _UPDATE_RUNS = updates("jobs", JOB_UPDATED), updates("runs", RUN_UPDATED)
_REDEFINE_JOBS = updates("jobs", JOB_REDEFINED)

_ACCEPTED = "JOIN accepted ON accepted.stream = 'run-' || r.run_id"
_UPDATE_ACCEPTED = update("runs", RUN_UPDATED, first=APPEND_PARAMETERS + 1, join=_ACCEPTED)
_UPDATE_ATTEMPTED = update("runs", RUN_ATTEMPTED, first=APPEND_PARAMETERS + 1, join=_ACCEPTED)
_attempted_run_arguments = arguments(RUN_ATTEMPTED)
_OF_ATTEMPT = frozenset({AttemptStarted, AttemptSucceeded})
_DELETE_JOBS = """
DELETE FROM jobs WHERE job_id = ANY($1::uuid[]) OR (key = ANY($2::text[]) AND status <> 'deleted')
"""
_DELETE_RUNS = "DELETE FROM runs WHERE run_id = ANY($1::uuid[])"
_DELETE_ORPHANS = (
    "DELETE FROM runs WHERE NOT EXISTS (SELECT FROM events WHERE stream = 'run-' || runs.run_id AND version = 1)",
    "DELETE FROM jobs WHERE NOT EXISTS (SELECT FROM events WHERE stream = 'job-' || jobs.job_id AND version = 1)",
)
_APPEND_AND_UPDATE_RUNS, _APPEND_ONE_AND_UPDATE_RUNS, _APPEND_OF_ATTEMPTS = (
    f"""
{appending}, projected AS ({updating} RETURNING 'run-' || runs.run_id AS stream, runs.awaited)
SELECT asked.stream, asked.paused, projected.awaited, accepted.stream IS NOT NULL AS accepted
FROM asked LEFT JOIN accepted USING (stream) LEFT JOIN projected USING (stream)
"""  # noqa: S608
    for appending, updating in (
        (APPEND, _UPDATE_ACCEPTED),
        (APPEND_ONE_EACH, _UPDATE_ACCEPTED),
        (APPEND_NEXT_EACH, _UPDATE_ATTEMPTED),
    )
)
_UPDATE_ALONE = update("runs", RUN_ATTEMPTED, first=APPEND_NEXT_PARAMETERS + 1, join="CROSS JOIN accepted", alone=True)
_APPEND_OF_ATTEMPT = f"""
{APPEND_NEXT}, projected AS ({_UPDATE_ALONE} RETURNING runs.awaited)
SELECT asked.stream, asked.paused, projected.awaited, accepted.stream IS NOT NULL AS accepted
FROM asked LEFT JOIN accepted ON true LEFT JOIN projected ON true
"""  # noqa: S608
_STARTED_AT: Column[Run] = Column("started_at", "timestamptz", sql="accepted.recorded_at")
_RUN_STARTED = tuple(_STARTED_AT if column.name == "started_at" else column for column in RUN_UPDATED)
_UPDATE_STARTED = update("runs", _RUN_STARTED, first=APPEND_STARTS_PARAMETERS + 1, join=_ACCEPTED)
_APPEND_AND_START_RUNS = f"""
{APPEND_STARTS}, {COUNT_STARTS}, projected AS (
    {_UPDATE_STARTED} RETURNING 'run-' || runs.run_id AS stream, runs.awaited, runs.started_at
)
SELECT asked.stream, asked.paused, rated.wait, projected.awaited, projected.started_at,
       accepted.stream IS NOT NULL AS accepted
FROM asked JOIN rated USING (stream) LEFT JOIN accepted USING (stream) LEFT JOIN projected USING (stream)
"""  # noqa: S608


async def insert_jobs(db: Connection, jobs: Sequence[Job]) -> None:
    """In the order of their keys, so that inserts which share keys do not deadlock.

    Raises JobKeyTaken, and Conflict for a job that another writer opens in another period at the same time.
    """
    if jobs:
        in_order = sorted(jobs, key=lambda job: job.definition.key or "")
        with unique_keys():
            await db.execute(*_INSERT_JOBS.of(in_order))


async def update_jobs(db: Connection, jobs: Sequence[Job]) -> None:
    """Update what events change, except for the definition."""
    if jobs:
        await db.execute(*_UPDATE_JOBS.of(jobs))


async def redefine_jobs(db: Connection, jobs: Sequence[Job]) -> None:
    """Update what events change, with the definition. Raises JobKeyTaken."""
    if jobs:
        with unique_keys():
            await db.execute(*_REDEFINE_JOBS.of(jobs))


async def insert_runs(db: Connection, runs: Sequence[Run]) -> None:
    """Raises Conflict for a run that another writer opens in another period at the same time."""
    if runs:
        with unique_keys():
            await db.execute(*_INSERT_RUNS.of(runs))


async def update_runs(db: Connection, runs: Sequence[Run]) -> None:
    """Update what events change."""
    if runs:
        await db.execute(*_UPDATE_RUNS.of(runs))


@dataclass(frozen=True, slots=True)
class AppendResult:
    """The streams that got no events because their version had changed, or because their queue is paused.

    `awaited` are the runs that other runs wait for. `waits` has the starts that their rate does not allow yet, and for
    how long it does not; `started_at` (UTC) the others that have a rate.
    """

    lost: set[str] = field(default_factory=set)
    awaited: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    waits: dict[str, timedelta] = field(default_factory=dict)
    started_at: dict[str, datetime] = field(default_factory=dict)

    @property
    def refused(self) -> set[str]:
        return self.lost | self.paused | self.waits.keys()

    def include(self, other: "AppendResult") -> None:
        """Take in what became of other writes, without a rate."""
        self.lost.update(other.lost)
        self.awaited.update(other.awaited)
        self.paused.update(other.paused)

    def add(self, record: Any) -> None:
        """Take in what became of one write, but for its rate."""
        if record["paused"]:
            self.paused.add(record["stream"])
        elif not record["accepted"]:
            self.lost.add(record["stream"])
        elif record["awaited"]:
            self.awaited.add(record["stream"])


async def append_and_update_runs(db: Connection, writes: Sequence[Write], runs: Sequence[Run]) -> AppendResult:
    """Append, and update the runs whose streams got their events: one statement, so one commit without a transaction.

    `runs` are the states after the writes, one for each write.
    """
    result = AppendResult()
    if writes:
        statement, arguments = _appending(writes, runs)
        for record in await db.fetch(statement, *arguments):
            result.add(record)
    return result


def _appending(writes: Sequence[Write], runs: Sequence[Run]) -> tuple[str, Iterable[Any]]:
    """The cheapest statement for these writes, and its arguments."""
    if not next_each(writes) or any(type(write.events[0]) not in _OF_ATTEMPT for write in writes):
        statement = _APPEND_ONE_AND_UPDATE_RUNS if one_each(writes) else _APPEND_AND_UPDATE_RUNS
        return statement, chain(append_arguments(writes), _UPDATE_RUNS.arguments(runs))
    attempted = _attempted_run_arguments(runs)
    if len(writes) > 1:
        return _APPEND_OF_ATTEMPTS, chain(append_arguments(writes), attempted)
    return _APPEND_OF_ATTEMPT, chain(next_arguments(writes[0]), (value for (value,) in attempted))


async def append_and_start_runs(db: Connection, writes: Sequence[Write], runs: Sequence[Run]) -> AppendResult:
    """The same for starts of attempts whose runs have a rate: each is appended if its rate allows it now.

    The database decides and counts in one statement, so that a process which stops in between holds no lock.
    """
    result = AppendResult()
    if writes:
        arguments = start_arguments(writes), _UPDATE_RUNS.arguments(runs)
        for record in await db.fetch(_APPEND_AND_START_RUNS, *chain(*arguments)):
            if record["wait"] is not None and not record["paused"]:
                result.waits[record["stream"]] = record["wait"]
                continue
            result.add(record)
            if record["accepted"]:
                result.started_at[record["stream"]] = record["started_at"]
    return result


async def replace_jobs(db: Connection, jobs: Sequence[Job]) -> None:
    """Replace rows that differ from the log: `rebuild`. A row that wrongly has the key of one of them goes too."""
    if jobs:
        keys = [job.definition.key for job in jobs if job.definition.key is not None]
        await db.execute(_DELETE_JOBS, [job.id for job in jobs], keys)
        await insert_jobs(db, jobs)


async def replace_runs(db: Connection, runs: Sequence[Run]) -> None:
    """Replace rows that differ from the log: `rebuild`."""
    if runs:
        await db.execute(_DELETE_RUNS, [run.id for run in runs])
        await insert_runs(db, runs)


async def delete_orphans(db: Connection) -> int:
    """Delete the rows of jobs and runs that have no stream; returns how many."""
    return sum([rows_changed(await db.execute(statement)) for statement in _DELETE_ORPHANS])
