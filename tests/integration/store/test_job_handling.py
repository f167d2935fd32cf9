"""What depends on other runs or on the schedule is decided under the job's lock, whole or not at all."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import WrongStatus
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.events import Fact
from duebook_common.domain.job.new_runs import trigger_now
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.commands import Succeed
from duebook_common.domain.run.events import RunCancelRequested, RunFact, run_id_at
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime import timezones
from duebook_common.store.database import Pool, transaction
from duebook_common.store.job_handling import Conflict, Decider, create_jobs, decide_jobs, handle_job
from duebook_common.store.locks import lock_jobs, slice_of
from duebook_common.store.rows import load_jobs
from support.bookkeeping import (
    ACTOR,
    DAY,
    MINUTE,
    NOW,
    check_books,
    created,
    definition,
    do,
    due,
    log,
    meanwhile,
    start,
    started,
    terms,
    waiting,
)


def manual(run_id: UUID) -> Decider:
    def judge(job: Job, active: Sequence[Run]) -> list[RunFact]:
        return trigger_now(job, active, terms(), run_id, overlap=Overlap.SKIP)

    return judge


async def types(pool: Pool) -> list[str]:
    return [recorded.type for recorded in await log(pool)]


async def test_jobs_are_created_all_or_none(pool: Pool) -> None:
    old, new = uuid4(), uuid4()
    event = job_decide.create(old, definition(), NOW)
    assert await create_jobs(pool, {old: event}, ACTOR)
    assert await create_jobs(pool, {new: event, old: event}, ACTOR) is None
    assert await pool.fetchval("SELECT array_agg(job_id) FROM jobs") == [old]
    assert await types(pool) == ["JobCreated"]
    await check_books(pool)


async def test_a_decision_waits_for_the_one_before_it(pool: Pool) -> None:
    """Of two triggers that must not overlap the second sees the first one's run, though it came before its commit."""
    job_id = await created(pool)
    async with transaction(pool) as db:
        await lock_jobs(db, [job_id])
        await decide_jobs(db, [job_id], manual(uuid4()), ACTOR)
        second = asyncio.create_task(handle_job(pool, job_id, manual(uuid4()), ACTOR))
        await waiting(pool, second)
    outcome = await second
    assert outcome is not None
    assert [run.status for run in outcome.runs] == [RunStatus.SKIPPED]
    await check_books(pool)


async def test_a_crowd_of_triggers_starts_one_run(pool: Pool) -> None:
    job_id = await created(pool)
    outcomes = await asyncio.gather(*(handle_job(pool, job_id, manual(uuid4()), ACTOR) for _ in range(12)))
    statuses = [outcome.runs[0].status for outcome in outcomes if outcome is not None]
    assert sorted(statuses) == [RunStatus.DISPATCHED] + [RunStatus.SKIPPED] * 11
    await check_books(pool)


async def test_jobs_of_one_slice_are_decided_together(pool: Pool) -> None:
    ids = [UUID(int=(n << 20) + 7) for n in range(1, 6)]
    assert len({slice_of(id_) for id_ in ids}) == 1
    for id_ in ids:
        await created(pool, id_)
    async with transaction(pool) as db:
        await lock_jobs(db, ids)
        outcomes = await decide_jobs(db, ids, due(), ACTOR)
    assert {run.id for outcome in outcomes for run in outcome.runs} == {run_id_at(id_, NOW) for id_ in ids}
    await check_books(pool)


async def test_a_decision_on_a_job_that_changed_meanwhile_is_rolled_back(pool: Pool, postgres_url: str) -> None:
    """The job's version stands in the append, so that not even a writer without the lock goes unnoticed."""
    # A series: what is decided are runs alone, so that only the asking for the job's version can notice.
    ids = [await created(pool, recurrence="daily"), await created(pool, recurrence="daily")]

    async def pause(other: Pool) -> None:
        async with transaction(other) as db:
            await decide_jobs(db, ids[:1], lambda job, _: job_decide.pause(job, None, NOW), ACTOR)

    def judge(job: Job, active: Sequence[Run]) -> Sequence[Fact]:
        if job.id == ids[0]:
            meanwhile(postgres_url, pause)
        return due()(job, active)

    with pytest.raises(Conflict):
        async with transaction(pool) as db:
            await decide_jobs(db, ids, judge, ACTOR)
    assert await pool.fetchval("SELECT count(*) FROM runs") == 0
    assert await types(pool) == ["JobCreated", "JobCreated", "JobPaused"]
    await check_books(pool)


async def test_a_decision_about_a_run_that_moved_by_itself_is_repeated(pool: Pool, postgres_url: str) -> None:
    """A run's own life needs no lock, so it may move between a decision's reading and its append."""
    run = await started(pool, overlap=Overlap.ALLOW_ALL)
    seen = []

    def judge(_job: Job, active: Sequence[Run]) -> list[Fact]:
        seen.append(len(active))
        if len(seen) == 1:
            meanwhile(postgres_url, lambda other: do(other, run, Succeed(1, None, NOW)))
        return [RunFact(one.id, RunCancelRequested(reason=None, at=NOW)) for one in active]

    outcome = await handle_job(pool, run.job_id, judge, ACTOR)
    assert outcome is not None
    assert (seen, outcome.facts) == ([1, 0], [])
    await check_books(pool)


async def test_an_occurrence_that_has_its_run_gets_no_second_one(pool: Pool) -> None:
    """Even of a decider that sees the job as it was before: the run's stream exists."""
    job_id = await created(pool, recurrence="daily")
    async with pool.acquire() as db:
        before = (await load_jobs(db, [job_id]))[job_id]
    await handle_job(pool, job_id, due(), ACTOR)
    with pytest.raises(Conflict):
        await handle_job(pool, job_id, lambda _job, _active: due()(before, []), ACTOR)
    assert await pool.fetchval("SELECT count(*) FROM runs") == 1
    await check_books(pool)


async def test_what_the_judge_raises_is_told_and_writes_nothing(pool: Pool) -> None:
    job_id = await created(pool)

    def refuse(_job: Job, _active: Sequence[Run]) -> list[Fact]:
        raise WrongStatus("job", "active", "paused")

    with pytest.raises(WrongStatus):
        await handle_job(pool, job_id, refuse, ACTOR)
    assert await types(pool) == ["JobCreated"]


async def test_a_job_that_nobody_knows_is_none(pool: Pool) -> None:
    assert await handle_job(pool, uuid4(), due(), ACTOR) is None


async def test_the_log_tells_a_decision_in_the_order_in_which_it_was_made(pool: Pool) -> None:
    """Missed times are skipped before the newest runs: told otherwise, the log would name a wrong next time."""
    job_id = await created(pool, recurrence="daily")
    now = NOW + 3 * DAY + 2 * MINUTE
    outcome = await handle_job(pool, job_id, due(now), ACTOR)
    assert outcome is not None
    assert outcome.job.next_at == NOW + 4 * DAY
    assert await types(pool) == ["JobCreated", "OccurrencesSkipped", "RunDispatched"]
    await check_books(pool)


async def test_a_schedules_last_occurrence_is_told_before_its_end(pool: Pool) -> None:
    job_id = await created(pool)
    await handle_job(pool, job_id, due(), ACTOR)
    assert await types(pool) == ["JobCreated", "RunDispatched", "JobFinished"]
    await check_books(pool)


async def test_what_rests_on_a_schedule_names_the_rules_of_time_zones_that_it_rests_on(pool: Pool) -> None:
    job_id = await created(pool, recurrence="daily")
    outcome = await handle_job(pool, job_id, due(NOW + 3 * DAY + 2 * MINUTE), ACTOR)
    assert outcome is not None
    await do(pool, outcome.runs[0], start(outcome.runs[0], NOW + 3 * DAY + 2 * MINUTE))
    schedule, own_life = {"actor": "test", "tzdata": timezones.VERSION}, {"actor": "test"}
    assert [(told.type, told.meta) for told in await log(pool)] == [
        ("JobCreated", schedule),
        ("OccurrencesSkipped", schedule),
        ("RunDispatched", schedule),
        ("AttemptStarted", own_life),
    ]
