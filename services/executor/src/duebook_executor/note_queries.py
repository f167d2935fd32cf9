"""The executor's SQL for what tasks say of themselves: log lines, progress and checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from duebook.context import Progress
from duebook_common.store.codec import dumps
from duebook_common.store.database import Pool, acquire
from duebook_common.store.predicates import one_of

# Asynchronous commit: the outcome is committed later and waits for the disk, which flushes these rows too.
_INSERT_LOG_LINES = """
INSERT INTO log_lines (job_id, run_id, attempt, message, level, fields, logged_at, born)
SELECT lines.*, runs.born FROM set_config('synchronous_commit', 'off', true),
    unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::jsonb[], $7::timestamptz[])
        AS lines (job_id, run_id, attempt, message, level, fields, logged_at)
    JOIN runs USING (run_id)
"""
# What an earlier attempt says late replaces nothing.
_PUT_PROGRESS = """
INSERT INTO progress (run_id, attempt, share, text, reported_at)
SELECT notes.*, clock_timestamp() FROM set_config('synchronous_commit', 'off', true),
    unnest($1::uuid[], $2::int[], $3::float8[], $4::text[]) AS notes (run_id, attempt, share, text)
ORDER BY notes.run_id
ON CONFLICT (run_id) DO UPDATE
SET attempt = excluded.attempt, share = excluded.share, text = excluded.text, reported_at = excluded.reported_at
WHERE progress.attempt <= excluded.attempt
"""
_PUT_CHECKPOINTS = """
INSERT INTO task_checkpoints (run_id, attempt, value, saved_at)
SELECT run_id, attempt, value, clock_timestamp()
FROM unnest($1::uuid[], $2::int[], $3::jsonb[]) AS notes (run_id, attempt, value) ORDER BY run_id
ON CONFLICT (run_id) DO UPDATE
SET attempt = excluded.attempt, value = excluded.value, saved_at = excluded.saved_at
WHERE task_checkpoints.attempt <= excluded.attempt
"""
_DELETE_CHECKPOINTS = f"DELETE FROM task_checkpoints WHERE run_id {one_of('$1')}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the job log."""

    job_id: UUID
    run_id: UUID
    attempt: int
    message: str
    level: str
    fields: Mapping[str, Any]
    logged_at: datetime


class NoteQueries:
    """Each statement takes a batch. Those of attempts are `(run_id, attempt, value)`, one for each run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def insert_log_lines(self, lines: Sequence[LogLine]) -> None:
        rows = [
            (line.job_id, line.run_id, line.attempt, line.message, line.level, dumps(line.fields), line.logged_at)
            for line in lines
        ]
        async with acquire(self._pool) as db:
            await db.execute(_INSERT_LOG_LINES, *zip(*rows, strict=True))

    async def put_progress(self, rows: Sequence[tuple[UUID, int, Progress]]) -> None:
        values = [(run_id, attempt, progress.share, progress.text) for run_id, attempt, progress in rows]
        async with acquire(self._pool) as db:
            await db.execute(_PUT_PROGRESS, *zip(*values, strict=True))

    async def put_checkpoints(self, rows: Sequence[tuple[UUID, int, Any]]) -> None:
        values = [(run_id, attempt, dumps(value)) for run_id, attempt, value in rows]
        async with acquire(self._pool) as db:
            await db.execute(_PUT_CHECKPOINTS, *zip(*values, strict=True))

    async def delete_checkpoints(self, run_ids: Sequence[UUID]) -> None:
        async with acquire(self._pool) as db:
            await db.execute(_DELETE_CHECKPOINTS, run_ids)
