"""What the executor does with a delivery, by the recorded state of its run: every row of the decision table."""

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook.errors import Fail
from duebook.tasks import Registry, Task
from duebook_common.broker.messages import RunMessage
from duebook_common.domain.job.commands import Dispatch
from duebook_common.domain.queue.decide import PauseQueue, ResumeQueue
from duebook_common.domain.queue.events import INSTALLATION
from duebook_common.domain.run.commands import FailAttempt, StartAttempt, Succeed, WakeRun
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.redis_locks import RunLocks, redis_client
from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, Pool
from duebook_common.store.job_handling import handle_job
from duebook_common.store.queue_handling import handle_queue
from duebook_common.store.rows import load_runs
from duebook_executor import deliveries
from duebook_executor.acknowledgements import Settlement
from duebook_executor.attempts import Attempts
from duebook_executor.deliveries import Deliveries, ExecutorStopping
from duebook_executor.note_queries import NoteQueries
from duebook_executor.note_writer import NoteWriter
from duebook_executor.queries import Assignment, ExecutorQueries
from duebook_executor.recorder import AttemptRecorder
from duebook_executor.slots import Slots
from support.bookkeeping import NOW, context, created, dispatched, do, started
from support.samples import DAY, MINUTE, SECOND

ACTOR = Actor("executor test")
LATER = NOW + DAY


class LaterClock(Clock):
    """A day after the runs came due."""

    def now(self) -> datetime:
        return LATER


class Executor:
    """An executor without RabbitMQ; its task `held` waits at the gate, `failing` fails for good."""

    def __init__(self, pool: Pool, locks: RunLocks) -> None:
        self.gate, self.entered = asyncio.Event(), asyncio.Event()
        clock, queries = LaterClock(), ExecutorQueries(pool)
        notes = NoteWriter(NoteQueries(pool))
        recorder = AttemptRecorder(pool, clock, locks, queries, notes, ACTOR, MINUTE, lambda: None)
        registry = Registry([Task.of("held", self._held, inline=True), Task.of("failing", self._failing, inline=True)])
        self.attempts = Attempts(recorder, clock, registry, ACTOR.name, DAY, Slots(10))
        self.deliveries = Deliveries(pool, clock, queries, self.attempts, ACTOR, MINUTE)

    async def receive(self, run: Run, *, from_dead_letters: bool = False) -> Settlement:
        async with asyncio.timeout(60):
            message = RunMessage(run.id, run.dispatch)
            return await self.deliveries.receive(message, from_dead_letters=from_dead_letters)

    async def _held(self) -> None:
        self.entered.set()
        await self.gate.wait()

    async def _failing(self) -> None:
        raise Fail("no", retry=False)


@pytest.fixture
async def other_locks(redis_url: str) -> AsyncIterator[RunLocks]:
    """The locks of another executor."""
    async with redis_client(redis_url) as client:
        yield RunLocks(client, "another executor", MINUTE)


@pytest.fixture
async def executor(pool: Pool, redis_url: str) -> AsyncIterator[Executor]:
    async with redis_client(redis_url) as client:
        executor = Executor(pool, RunLocks(client, ACTOR.name, MINUTE))
        yield executor
        executor.gate.set()
        await executor.attempts.drain(timedelta(seconds=5))


async def recorded(pool: Pool, run: Run) -> Run:
    async with pool.acquire() as db:
        return (await load_runs(db, [run.id]))[run.id]


async def status(pool: Pool, run: Run) -> RunStatus:
    return (await recorded(pool, run)).status


async def dead_lettered(pool: Pool) -> Run:
    run = await started(pool, max_retries=0)
    failed = (await do(pool, run, FailAttempt(1, "boom", NOW, 0))).run
    assert failed is not None
    return failed


async def test_a_due_run_is_started_and_acknowledged_after_its_outcome(pool: Pool, executor: Executor) -> None:
    run = await dispatched(pool, task="held")
    receiving = asyncio.create_task(executor.receive(run))
    await executor.entered.wait()
    assert await status(pool, run) == RunStatus.RUNNING
    assert not receiving.done()
    executor.gate.set()
    assert await receiving is Settlement.ACK
    assert await status(pool, run) == RunStatus.SUCCEEDED


async def test_a_run_that_its_attempt_dead_letters_is_rejected_and_buried(pool: Pool, executor: Executor) -> None:
    run = await dispatched(pool, task="failing")
    assert await executor.receive(run) is Settlement.REJECT
    after = await recorded(pool, run)
    assert (after.status, after.wake_at) == (RunStatus.DEAD_LETTERED, None)


async def test_a_long_attempt_is_acknowledged_once_it_has_started(pool: Pool, executor: Executor) -> None:
    """RabbitMQ would close the channel of a delivery that is held for half an hour."""
    run = await dispatched(pool, task="held", timeout=timedelta(hours=1))
    assert await executor.receive(run) is Settlement.ACK
    assert await status(pool, run) == RunStatus.RUNNING


async def test_the_message_of_an_attempt_that_waits_without_a_slot_is_acknowledged(
    pool: Pool, executor: Executor
) -> None:
    """The broker sends no more messages than the executor has slots, until some are acknowledged."""
    executor.attempts.slots.note_duration("held", 0)
    job_id = await created(pool, task="held", scheduled_at=LATER + SECOND)
    result = await handle_job(pool, job_id, Dispatch(context(LATER + SECOND)), ACTOR)
    assert result is not None
    (run,) = result.runs
    assert await executor.receive(run) is Settlement.ACK
    assert await status(pool, run) == RunStatus.RUNNING
    assert executor.attempts.running[run.id].held


async def test_a_redelivery_attaches_to_the_attempt_that_is_under_way_here(pool: Pool, executor: Executor) -> None:
    run = await dispatched(pool, task="held")
    first = asyncio.create_task(executor.receive(run))
    await executor.entered.wait()
    again = asyncio.create_task(executor.receive(run))
    executor.gate.set()
    assert [await first, await again] == [Settlement.ACK] * 2
    assert (await recorded(pool, run)).attempt == 1


async def test_two_deliveries_of_one_run_start_one_attempt(pool: Pool, executor: Executor) -> None:
    run = await dispatched(pool, task="held")
    executor.gate.set()
    assert await asyncio.gather(*(executor.receive(run) for _ in range(2))) == [Settlement.ACK] * 2
    assert (await recorded(pool, run)).attempt == 1


async def test_a_stale_delivery_in_the_same_batch_does_not_get_the_attempt(pool: Pool, executor: Executor) -> None:
    """The current delivery must hold the attempt: if it is dead-lettered, that message has to be rejected."""
    stale = await dispatched(pool, task="failing")
    current = (await do(pool, stale, WakeRun(LATER, 0, MINUTE))).run
    assert current is not None
    assert current.dispatch == stale.dispatch + 1
    settled = await asyncio.gather(*map(executor.receive, (stale, current)))
    assert settled == [Settlement.ACK, Settlement.REJECT]


async def test_an_attempt_elsewhere_is_left_alone(pool: Pool, executor: Executor) -> None:
    run = await started(pool, task="held")
    assert await executor.receive(run) is Settlement.ACK
    assert await recorded(pool, run) == run


async def test_a_run_locked_by_another_executor_is_left_to_it(
    pool: Pool, executor: Executor, other_locks: RunLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "_LOCK_SECONDS", 4)  # in which the other one records its start on a full machine
    run = await dispatched(pool, task="held")
    assert await other_locks.acquire([run.id]) == [True]
    received = asyncio.create_task(executor.receive(run))
    await do(pool, run, StartAttempt(run.dispatch, "another executor", MINUTE, NOW))
    assert await received is Settlement.ACK
    assert (await recorded(pool, run)).executor == "another executor"


async def test_a_lock_that_an_ended_executor_has_left_delays_a_start_by_a_second(
    pool: Pool, executor: Executor, other_locks: RunLocks
) -> None:
    run = await dispatched(pool, task="failing")
    assert await other_locks.acquire([run.id]) == [True]
    assert await executor.receive(run) is Settlement.REJECT
    assert await status(pool, run) == RunStatus.DEAD_LETTERED


async def test_a_run_whose_task_the_executor_lacks_waits_uncharged(pool: Pool, executor: Executor) -> None:
    run = await dispatched(pool, task="added by the next version")
    assert await executor.receive(run) is Settlement.ACK
    after = await recorded(pool, run)
    assert (after.status, after.reason, after.attempt, after.failures) == (RunStatus.WAITING, "task", 0, 0)
    assert await executor.receive(run) is Settlement.ACK
    assert await recorded(pool, run) == after


async def test_stale_deliveries_are_acknowledged(pool: Pool, executor: Executor) -> None:
    ended, retrying, requeued = [await started(pool, task="held") for _ in range(3)]
    await do(pool, ended, Succeed(1, None, NOW))
    await do(pool, retrying, FailAttempt(1, "boom", NOW, 0))
    await do(pool, requeued, FailAttempt(1, "boom", NOW, 0))
    await do(pool, requeued, WakeRun(LATER, 0, MINUTE))
    for run, expected in ((ended, "succeeded"), (retrying, "retrying"), (requeued, "dispatched")):
        assert await executor.receive(run) is Settlement.ACK
        assert await status(pool, run) == expected


async def test_a_delivery_of_an_unknown_run_is_acknowledged(executor: Executor) -> None:
    message = RunMessage(uuid4(), 1)
    assert await executor.deliveries.receive(message, from_dead_letters=False) is Settlement.ACK


async def test_a_run_past_its_start_within_is_skipped(pool: Pool, executor: Executor) -> None:
    run = await dispatched(pool, task="held", start_within=MINUTE)
    assert await executor.receive(run) is Settlement.ACK
    assert await status(pool, run) == RunStatus.SKIPPED


async def test_a_dead_letter_of_this_dispatch_is_rejected_and_buried(pool: Pool, executor: Executor) -> None:
    run = await dead_lettered(pool)
    assert run.wake_at is not None
    assert await executor.receive(run) is Settlement.REJECT
    assert (await recorded(pool, run)).wake_at is None


async def test_a_dead_letter_moved_back_in_rabbitmq_is_redriven(pool: Pool, executor: Executor) -> None:
    run = await dead_lettered(pool)
    assert await executor.receive(run, from_dead_letters=True) is Settlement.ACK
    after = await recorded(pool, run)
    assert after.active
    assert after.failures == 0


async def test_a_stopping_executor_accepts_no_delivery(pool: Pool, executor: Executor) -> None:
    run = await dispatched(pool, task="held")
    await executor.deliveries.stop()
    with pytest.raises(ExecutorStopping):
        await executor.receive(run)
    assert await status(pool, run) == RunStatus.DISPATCHED


@pytest.mark.parametrize("name", ["default", INSTALLATION])
async def test_a_run_of_a_paused_queue_waits_uncharged(executor: Executor, pool: Pool, name: str) -> None:
    run = await dispatched(pool, task="held")
    await handle_queue(pool, name, PauseQueue("provider down"), ACTOR)
    assert await executor.receive(run) is Settlement.ACK
    waiting = await recorded(pool, run)
    assert (waiting.status, waiting.reason, waiting.attempt) == (RunStatus.WAITING, "queue", 0)
    assert await executor.receive(run) is Settlement.ACK  # its message is stale now
    assert await recorded(pool, run) == waiting
    await handle_queue(pool, name, ResumeQueue(), ACTOR)
    assert await executor.receive(run) is Settlement.ACK
    assert (await recorded(pool, run)).status is RunStatus.WAITING


async def test_a_pause_between_reading_and_starting_keeps_a_run_from_starting(
    executor: Executor, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, start = await dispatched(pool, task="held"), executor.attempts.start

    async def pause_first(assignments: Sequence[Assignment], unlocked: Container[UUID]) -> Sequence[Any]:
        await handle_queue(pool, "default", PauseQueue("provider down"), ACTOR)
        return await start(assignments, unlocked)

    monkeypatch.setattr(executor.attempts, "start", pause_first)
    assert await executor.receive(run) is Settlement.ACK
    assert ((await recorded(pool, run)).status, executor.attempts.running) == (RunStatus.WAITING, {})


async def test_a_running_attempt_of_a_paused_queue_may_end(executor: Executor, pool: Pool) -> None:
    run = await dispatched(pool, task="held")
    received = asyncio.create_task(executor.receive(run))
    await executor.entered.wait()
    await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    executor.gate.set()
    assert await received is Settlement.ACK
    assert (await recorded(pool, run)).status is RunStatus.SUCCEEDED
