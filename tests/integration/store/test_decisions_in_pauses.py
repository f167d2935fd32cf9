"""A bulk operation, and a dead letter, decide about a job in a paused queue as a command for this job alone does."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from duebook_common.domain.bulk.events import BulkAction, BulkFilter, BulkRequested
from duebook_common.domain.definition import Every
from duebook_common.domain.job.commands import DecisionContext, PauseJob
from duebook_common.domain.queue.decide import PauseQueue
from duebook_common.domain.run.commands import FailAttempt
from duebook_common.integrity.verify import verify
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor, request_bulk
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import handle_job
from duebook_common.store.queue_handling import handle_queue
from support.bookkeeping import ACTOR, created, dispatch, do, log, start
from support.samples import MINUTE


def context(now: datetime) -> DecisionContext:
    return DecisionContext(now=now, misfire=MINUTE, look_again_after=MINUTE, dispatch=0, max_active=1_000)


async def recorded(pool: Pool, job_id: UUID) -> list[tuple[str, object]]:
    """What was recorded of the job and its runs: the types and reasons, in order."""
    return [(item.type, item.data.get("reason")) for item in await log(pool) if item.job_id == job_id][1:]


async def test_a_bulk_pause_keeps_back_what_a_pause_of_one_job_keeps_back(pool: Pool) -> None:
    pause = await handle_queue(pool, "mail", PauseQueue("the provider is down"), ACTOR)
    assert pause is not None
    first, now = pause.since + timedelta(seconds=30), pause.since + timedelta(minutes=10)
    alone, many = [
        await created(pool, name=name, queue="mail", scheduled_at=first, recurrence=Every(MINUTE))
        for name in ("alone", "many")
    ]
    await handle_job(pool, alone, PauseJob("stop", context(now)), ACTOR)
    wanted = BulkFilter(job_id=str(many))
    bulk = await request_bulk(
        pool, uuid4(), BulkRequested(action=BulkAction.PAUSE, filter=wanted, reason="stop", matched=1, at=now), ACTOR
    )
    assert bulk is not None
    await BulkExecutor(pool, BulkLimits(MINUTE, 1_000), ACTOR).step(bulk.id, now)
    assert await recorded(pool, many) == await recorded(pool, alone)
    assert ("OccurrencesSkipped", "missed") not in await recorded(pool, many)
    assert len(await recorded(pool, many)) > 5


async def test_a_dead_letter_that_pauses_its_job_keeps_what_the_pause_kept_back(pool: Pool) -> None:
    began = datetime.now(UTC) - timedelta(seconds=30)
    job = await created(pool, queue="mail", scheduled_at=began, recurrence=Every(MINUTE), pause_on_failure=True)
    dispatched = await handle_job(pool, job, dispatch(began), ACTOR)
    assert dispatched is not None
    (run,) = dispatched.runs
    await do(pool, run, start(run, began))
    assert await handle_queue(pool, "mail", PauseQueue("the provider is down"), ACTOR) is not None
    await do(pool, run, FailAttempt(1, "boom", began + 3 * MINUTE, 0, retry=False))
    about_job = [type_ for type_, _ in await recorded(pool, job)][3:]
    assert about_job == ["RunDeadLettered", *["RunBuffered"] * 3, "JobPaused"]
    assert (await verify(pool)).breaches == []
