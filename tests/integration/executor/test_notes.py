"""What tasks say of themselves in PostgreSQL: the last attempt counts, and the next one finds the last checkpoint."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from duebook.context import Context, Progress
from duebook.tasks import Registry, Task
from duebook_common.domain.run.commands import WakeRun
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.redis_locks import RunLocks, redis_client
from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, Pool
from duebook_executor.attempt import Attempt
from duebook_executor.attempts import Attempts
from duebook_executor.note_queries import NoteQueries
from duebook_executor.note_writer import NoteWriter
from duebook_executor.queries import ExecutorQueries
from duebook_executor.recorder import AttemptRecorder
from duebook_executor.slots import Slots
from support.bookkeeping import dispatched, do
from support.samples import DAY, MINUTE, NOW

ACTOR = Actor("executor test")
LATER = NOW + DAY


class LaterClock(Clock):
    def now(self) -> Any:
        return LATER


def imports(context: Context) -> Any:
    """Fails at the first attempt, after a checkpoint."""
    context.log("at", level="debug", row=context.last_checkpoint)
    context.progress(0.5, f"attempt {context.attempt}")
    context.checkpoint({"row": context.attempt})
    if context.attempt == 1:
        raise ConnectionError("gone")
    return context.last_checkpoint


@pytest.fixture
async def attempts(pool: Pool, redis_url: str) -> AsyncIterator[Attempts]:
    async with redis_client(redis_url) as client:
        notes, locks = NoteWriter(NoteQueries(pool)), RunLocks(client, ACTOR.name, MINUTE)
        queries = ExecutorQueries(pool)
        recorder = AttemptRecorder(pool, LaterClock(), locks, queries, notes, ACTOR, MINUTE, lambda: None)
        yield Attempts(recorder, LaterClock(), Registry([Task.of("imports", imports)]), ACTOR.name, DAY, Slots(10))


async def execute(pool: Pool, attempts: Attempts, run: Run) -> Run:
    assignments = await ExecutorQueries(pool).assignments([run.id])
    (attempt,) = await attempts.start(list(assignments.values()))
    assert isinstance(attempt, Attempt)
    ended = await attempt.work
    assert ended is not None
    return ended


async def test_the_next_attempt_finds_the_checkpoint_and_a_success_deletes_it(pool: Pool, attempts: Attempts) -> None:
    run = await dispatched(pool, task="imports", max_retries=3)
    assert (await execute(pool, attempts, run)).status is RunStatus.RETRYING
    assert await pool.fetchval("SELECT value FROM task_checkpoints WHERE run_id = $1", run.id) == {"row": 1}
    await do(pool, run, WakeRun(LATER + DAY, 0, MINUTE))
    ended = await execute(pool, attempts, run)
    assert (ended.status, ended.result) == (RunStatus.SUCCEEDED, {"row": 1})
    assert await pool.fetchval("SELECT count(*) FROM task_checkpoints WHERE run_id = $1", run.id) == 0
    progress = await pool.fetchrow("SELECT attempt, share, text FROM progress WHERE run_id = $1", run.id)
    assert tuple(progress or ()) == (2, 0.5, "attempt 2")
    lines = await pool.fetch("SELECT level, fields FROM log_lines WHERE run_id = $1 ORDER BY position", run.id)
    assert [tuple(line) for line in lines] == [("debug", {"row": None}), ("debug", {"row": {"row": 1}})]


async def test_what_an_earlier_attempt_says_late_replaces_nothing(pool: Pool) -> None:
    run, queries = await dispatched(pool), NoteQueries(pool)
    for attempt in (2, 1):
        await queries.put_progress([(run.id, attempt, Progress(None, str(attempt)))])
        await queries.put_checkpoints([(run.id, attempt, attempt)])
    assert await pool.fetchval("SELECT text FROM progress WHERE run_id = $1", run.id) == "2"
    assert await pool.fetchval("SELECT value FROM task_checkpoints WHERE run_id = $1", run.id) == 2
