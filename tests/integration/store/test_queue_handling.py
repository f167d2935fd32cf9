"""Pauses of queues and of the installation: recorded once, with who and why."""

import asyncio

import pytest

from duebook_common.domain.definition import Rate
from duebook_common.domain.errors import QueueIsPaused
from duebook_common.domain.job.commands import AdmitWaiting
from duebook_common.domain.queue.decide import PauseQueue, ResumeQueue
from duebook_common.domain.queue.events import INSTALLATION, stream
from duebook_common.domain.run.commands import CancelRun
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.store import queue_handling
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool, acquire, transaction
from duebook_common.store.eventstore import read
from duebook_common.store.job_handling import handle_job
from duebook_common.store.locks import share_pauses
from duebook_common.store.queue_handling import handle_queue
from duebook_common.store.run_handling import RunWork, handle_runs
from support.bookkeeping import ACTOR, NOW, created, dispatch, dispatched, do, start, started, waiting
from support.samples import DAY, MINUTE


async def recorded(pool: Pool, name: str) -> list[tuple[str, str | None, str]]:
    """The types, reasons and actors of the events of a queue's stream."""
    async with acquire(pool) as db:
        return [(r.type, r.data["reason"], r.meta["actor"]) for r in await read(db, stream(name))]


@pytest.mark.parametrize(("name", "kinds"), [("mail", "QueuePaused QueueResumed"), (INSTALLATION, "Frozen Thawed")])
async def test_a_pause_is_an_event_with_actor_and_reason(pool: Pool, name: str, kinds: str) -> None:
    paused, resumed = kinds.split()
    began = await handle_queue(pool, name, PauseQueue("provider down"), ACTOR)
    assert began is not None
    assert (began.going_on, began.reason, began.paused_by) == (True, "provider down", ACTOR.name)
    ended = await handle_queue(pool, name, ResumeQueue("mended"), Actor("key:ops"))
    assert ended is not None
    assert (ended.going_on, ended.since, ended.resumed_by) == (False, began.since, "key:ops")
    assert await recorded(pool, name) == [(paused, "provider down", ACTOR.name), (resumed, "mended", "key:ops")]


async def test_a_repeated_command_records_nothing_and_another_reason_does(pool: Pool) -> None:
    for reason in ("a", "a", "b"):
        await handle_queue(pool, "mail", PauseQueue(reason), ACTOR)
    for _ in range(2):
        await handle_queue(pool, "mail", ResumeQueue(), ACTOR)
    assert [reason for _, reason, _ in await recorded(pool, "mail")] == ["a", "b", None]
    assert [type_ for type_, _, _ in await recorded(pool, "mail")] == ["QueuePaused", "QueuePaused", "QueueResumed"]


async def test_resuming_a_queue_that_was_never_paused_records_nothing(pool: Pool) -> None:
    assert await handle_queue(pool, "mail", ResumeQueue(), ACTOR) is None
    assert await recorded(pool, "mail") == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE queue_pauses SET reason = 'x' WHERE name = 'mail'",
        "UPDATE queue_pauses SET until = until + interval '1 s'",
        "DELETE FROM queue_pauses WHERE name = '*'",
    ],
)
async def test_a_wrong_row_of_a_pause_is_a_breach_and_rebuilt(pool: Pool, statement: str) -> None:
    await dispatched(pool)
    for name in ("mail", INSTALLATION):
        for reason in ("first", "second"):
            await handle_queue(pool, name, PauseQueue(reason), ACTOR)
            await handle_queue(pool, name, ResumeQueue(), ACTOR)
    assert (await verify(pool)).breaches == []
    await pool.execute(statement)
    wrong = len((await verify(pool)).breaches)
    assert (await rebuild(pool)).replaced == wrong > 0
    assert (await verify(pool)).breaches == []


async def test_a_pause_without_a_stream_is_deleted_by_rebuild(pool: Pool) -> None:
    await pool.execute("INSERT INTO queue_pauses (name, since, version, paused_by) VALUES ('mail', now(), 1, 'x')")
    assert (await rebuild(pool)).replaced == 1
    assert await pool.fetchval("SELECT count(*) FROM queue_pauses") == 0


@pytest.mark.parametrize("name", ["default", INSTALLATION])
async def test_no_attempt_starts_after_the_answer_of_a_pause(pool: Pool, name: str) -> None:
    run, elsewhere = await dispatched(pool), await dispatched(pool, queue="other")
    await handle_queue(pool, name, PauseQueue(None), ACTOR)
    assert isinstance((await do(pool, run, start(run))).error, QueueIsPaused)
    assert ((await do(pool, elsewhere, start(elsewhere))).error is None) is (name != INSTALLATION)
    await handle_queue(pool, name, ResumeQueue(), ACTOR)
    assert (await do(pool, run, start(run))).error is None
    assert (await verify(pool)).breaches == []


async def test_a_pause_waits_for_a_start_that_is_being_committed(pool: Pool) -> None:
    run = await dispatched(pool)
    async with transaction(pool) as db:
        assert await db.fetchval("SELECT paused_queues()") == []
        pausing = asyncio.create_task(handle_queue(pool, run.queue, PauseQueue(None), ACTOR))
        await waiting(pool, pausing)
        assert not pausing.done()
    pause = await pausing
    assert pause is not None
    assert pause.going_on


async def test_starts_pass_a_pause_that_waits_for_a_long_one(pool: Pool) -> None:
    run = await dispatched(pool)
    async with transaction(pool) as db:
        await share_pauses(db)
        pausing = asyncio.create_task(handle_queue(pool, run.queue, PauseQueue(None), ACTOR))
        await waiting(pool, pausing)
        assert (await do(pool, run, start(run))).error is None
        assert not pausing.done()
    await pausing
    assert (await verify(pool)).breaches == []


async def test_a_pause_gives_up_while_starts_go_on(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_handling, "_TRYING_SECONDS", 0.2)
    async with transaction(pool) as db:
        await share_pauses(db)
        with pytest.raises(queue_handling.StartsGoOn):
            await handle_queue(pool, "mail", PauseQueue(None), ACTOR)
    assert await recorded(pool, "mail") == []


@pytest.mark.parametrize("rate", [None, Rate("k", 1, DAY)], ids=["by a pause", "by a rate"])
async def test_a_start_is_recorded_though_its_repeat_would_be_refused(pool: Pool, rate: Rate | None) -> None:
    """The COMMIT succeeded, but its answer was lost, and the queue was paused before the same work was sent again."""
    run = await dispatched(pool, rate=rate) if rate is None else await admitted(pool, rate)
    work = [RunWork(run.id, start(run), run)]
    await handle_runs(pool, work, ACTOR)
    if rate is None:
        await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    (repeat,) = await handle_runs(pool, work, ACTOR)
    assert repeat.error is None
    assert repeat.run is not None
    assert (repeat.run.status, repeat.run.attempt) == (RunStatus.RUNNING, 1)
    assert (await verify(pool)).breaches == []


async def admitted(pool: Pool, rate: Rate) -> Run:
    """A run that was sent because its rate allows a start."""
    job_id = await created(pool, rate=rate)
    opened = await handle_job(pool, job_id, dispatch(), ACTOR)
    assert opened is not None
    free = frozenset(run.id for run in opened.runs)
    result = await handle_job(pool, job_id, AdmitWaiting(free, NOW, look_again_after=MINUTE), ACTOR)
    assert result is not None
    return result.runs[0]


async def test_a_paused_queue_still_lets_its_runs_be_cancelled(pool: Pool) -> None:
    running, sent = await started(pool), await dispatched(pool)
    await handle_queue(pool, "default", PauseQueue(None), ACTOR)
    for run in (running, sent):
        assert (await do(pool, run, CancelRun("no longer needed", NOW))).error is None
