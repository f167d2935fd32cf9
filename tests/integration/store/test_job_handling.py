"""A decision that depends on other runs or on the schedule is made under the job's lock, whole or not at all."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import WrongStatus
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.commands import DeleteJob, PauseJob
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.commands import Succeed
from duebook_common.domain.run.events import RunDispatched, RunFact
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime import timezones
from duebook_common.store import job_handling
from duebook_common.store.conflict import TRIES, Conflict
from duebook_common.store.database import Connection, Pool, acquire, transaction
from duebook_common.store.eventstore import Write, append_each
from duebook_common.store.job_handling import create_jobs, decide_jobs, handle_job, load_locked, record
from duebook_common.store.job_plan import LockedJob, decide_locked
from duebook_common.store.locks import lock_jobs, slice_of
from duebook_common.store.rows import load_active_runs, load_jobs
from support.bookkeeping import (
    ACTOR,
    NOW,
    check_invariants,
    context,
    created,
    definition,
    dispatch,
    do,
    log,
    meanwhile,
    start,
    started,
    trigger,
    waiting,
)
from support.samples import DAY, MINUTE


async def types(pool: Pool) -> list[str]:
    return [recorded.type for recorded in await log(pool)]


async def test_jobs_are_created_all_or_none(pool: Pool) -> None:
    old, new = uuid4(), uuid4()
    event = job_decide.create(old, definition(), NOW)
    assert await create_jobs(pool, {old: event}, ACTOR)
    assert await create_jobs(pool, {new: event, old: event}, ACTOR) is None
    assert await pool.fetchval("SELECT array_agg(job_id) FROM jobs") == [old]
    assert await types(pool) == ["JobCreated"]
    await check_invariants(pool)


async def test_a_decision_waits_for_the_one_before_it(pool: Pool) -> None:
    """Of two triggers that must not overlap the second finds the run of the first, which had not committed yet."""
    job_id = await created(pool)
    async with transaction(pool) as db:
        await lock_jobs(db, [job_id])
        await decide_jobs(db, {job_id: trigger()}, ACTOR)
        second = asyncio.create_task(handle_job(pool, job_id, trigger(), ACTOR))
        await waiting(pool, second)
    result = await second
    assert result is not None
    assert [run.status for run in result.runs] == [RunStatus.SKIPPED]
    await check_invariants(pool)


async def test_concurrent_triggers_start_one_run(pool: Pool) -> None:
    job_id = await created(pool)
    results = await asyncio.gather(*(handle_job(pool, job_id, trigger(), ACTOR) for _ in range(12)))
    statuses = [result.runs[0].status for result in results if result is not None]
    assert sorted(statuses) == [RunStatus.DISPATCHED] + [RunStatus.SKIPPED] * 11
    await check_invariants(pool)


async def test_jobs_of_one_slice_are_decided_together(pool: Pool) -> None:
    ids = [UUID(int=(n << 20) + 7) for n in range(1, 6)]
    assert len({slice_of(id_) for id_ in ids}) == 1
    for id_ in ids:
        await created(pool, id_)
    async with transaction(pool) as db:
        await lock_jobs(db, ids)
        results = await decide_jobs(db, dict.fromkeys(ids, dispatch()), ACTOR)
    assert {run.id for result in results for run in result.runs} == {run_id_at(id_, NOW) for id_ in ids}
    await check_invariants(pool)


async def test_a_decision_on_a_job_that_changed_meanwhile_is_rolled_back(pool: Pool, postgres_url: str) -> None:
    """The append checks the job's version, so that even a writer without the lock is noticed."""
    # Of a series: the decisions are events of runs alone, so that only the check of the job's version can fail.
    ids = [await created(pool, recurrence="daily"), await created(pool, recurrence="daily")]

    async def pause(other: Pool) -> None:
        async with transaction(other) as db:
            await decide_jobs(db, {ids[0]: PauseJob(None, context(NOW - MINUTE))}, ACTOR)

    async with acquire(pool) as db:
        results = [decide_locked(job, dispatch()) for job in await load_locked(db, ids)]
    meanwhile(postgres_url, pause)
    with pytest.raises(Conflict) as conflict:
        async with transaction(pool) as db:
            await record(db, results, ACTOR)
    assert conflict.value.jobs == {ids[0]}
    assert await pool.fetchval("SELECT count(*) FROM runs") == 0
    assert await types(pool) == ["JobCreated", "JobCreated", "JobPaused"]
    await check_invariants(pool)


async def test_a_decision_about_a_run_that_changed_meanwhile_is_repeated(
    pool: Pool, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run's own life needs no lock, so that it may change between the read and the append of a decision."""
    run = await started(pool, overlap=Overlap.ALLOW_ALL)
    seen: list[int] = []

    async def load_and_let_it_end(db: Connection, job_ids: Iterable[UUID]) -> dict[UUID, list[Run]]:
        active = await load_active_runs(db, job_ids)
        seen.append(len(active.get(run.job_id, [])))
        if len(seen) == 1:
            meanwhile(postgres_url, lambda other: do(other, run, Succeed(1, None, NOW)))
        return active

    monkeypatch.setattr(job_handling, "load_active_runs", load_and_let_it_end)
    result = await handle_job(pool, run.job_id, trigger(Overlap.CANCEL_OTHER), ACTOR)
    assert result is not None
    assert seen == [1, 0]
    assert [type(fact.event) for fact in result.facts if isinstance(fact, RunFact)] == [RunDispatched]
    await check_invariants(pool)


async def test_an_occurrence_that_has_its_run_gets_no_second_one(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the job is decided as it was before: the stream of the run exists."""
    job_id = await created(pool, recurrence="daily")
    async with acquire(pool) as db:
        before = (await load_jobs(db, [job_id]))[job_id]
    await handle_job(pool, job_id, dispatch(), ACTOR)
    with pytest.raises(Conflict):
        async with transaction(pool) as db:
            await record(db, [decide_locked(LockedJob(before, []), dispatch())], ACTOR)
    tries: list[UUID] = []

    async def load_as_before(_db: Connection, job_ids: Iterable[UUID]) -> dict[UUID, Job]:
        tries.extend(job_ids)
        return {job_id: before}

    monkeypatch.setattr(job_handling, "load_jobs", load_as_before)
    with pytest.raises(Conflict, match="kept changing"):
        await handle_job(pool, job_id, trigger(run_id=run_id_at(job_id, NOW)), ACTOR)
    assert len(tries) == TRIES
    assert await pool.fetchval("SELECT count(*) FROM runs") == 1
    await check_invariants(pool)


async def test_a_refused_command_writes_nothing(pool: Pool) -> None:
    """A pause first decides what is due; here that ends the job."""
    job_id = await created(pool)
    with pytest.raises(WrongStatus):
        await handle_job(pool, job_id, PauseJob(None, context()), ACTOR)
    assert await types(pool) == ["JobCreated"]


async def test_the_result_for_an_unknown_job_is_none(pool: Pool) -> None:
    assert await handle_job(pool, uuid4(), dispatch(), ACTOR) is None


class Prepared:
    """A request that prepares its command under the job's lock."""

    def __init__(self, error: Exception | None = None) -> None:
        self.jobs: list[Job] = []
        self._error = error

    async def prepare(self, _db: Connection, job: Job) -> DeleteJob:
        self.jobs.append(job)
        if self._error is not None:
            raise self._error
        return DeleteJob(NOW - MINUTE)


async def test_a_command_is_prepared_under_the_jobs_lock(pool: Pool) -> None:
    job_id, request = await created(pool), Prepared()
    async with transaction(pool) as db:
        await lock_jobs(db, [job_id])
        handling = asyncio.create_task(handle_job(pool, job_id, request, ACTOR))
        await waiting(pool, handling)
        assert request.jobs == []
        await decide_jobs(db, {job_id: PauseJob("first", context(NOW - MINUTE))}, ACTOR)
    result = await handling
    assert result is not None
    assert [job.reason for job in request.jobs] == ["first"]
    assert (result.command, result.job.status) == (DeleteJob(NOW - MINUTE), "deleted")


async def test_a_command_is_prepared_again_after_a_conflict(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, request = await created(pool), Prepared()
    losers = iter([dict[str, datetime]()])

    async def lose_once(db: Connection, writes: Sequence[Write]) -> dict[str, datetime]:
        lost = next(losers, None)
        return await append_each(db, writes) if lost is None else lost

    monkeypatch.setattr(job_handling, "append_each", lose_once)
    assert await handle_job(pool, job_id, request, ACTOR) is not None
    assert len(request.jobs) == 2


async def test_a_preparation_that_fails_writes_nothing(pool: Pool) -> None:
    job_id = await created(pool)
    with pytest.raises(KeyError):
        await handle_job(pool, job_id, Prepared(KeyError("no")), ACTOR)
    assert await types(pool) == ["JobCreated"]
    assert await handle_job(pool, uuid4(), Prepared(KeyError("no")), ACTOR) is None


async def test_the_log_keeps_the_order_of_a_decisions_events(pool: Pool) -> None:
    """Missed times are skipped before the newest one runs; in another order the log would name a wrong next time."""
    job_id = await created(pool, recurrence="daily")
    now = NOW + 3 * DAY + 2 * MINUTE
    result = await handle_job(pool, job_id, dispatch(now), ACTOR)
    assert result is not None
    assert result.job.next_at == NOW + 4 * DAY
    assert await types(pool) == ["JobCreated", "OccurrencesSkipped", "RunDispatched"]
    await check_invariants(pool)


async def test_a_one_off_has_finished_with_its_run_without_an_event_of_the_job(pool: Pool) -> None:
    job_id = await created(pool)
    await handle_job(pool, job_id, dispatch(), ACTOR)
    assert await types(pool) == ["JobCreated", "RunDispatched"]
    async with acquire(pool) as db:
        assert (await load_jobs(db, [job_id]))[job_id].status is JobStatus.FINISHED
    await check_invariants(pool)


async def test_events_that_depend_on_a_schedule_name_the_version_of_the_time_zone_rules(pool: Pool) -> None:
    job_id = await created(pool, recurrence="daily")
    result = await handle_job(pool, job_id, dispatch(NOW + 3 * DAY + 2 * MINUTE), ACTOR)
    assert result is not None
    await do(pool, result.runs[0], start(result.runs[0], NOW + 3 * DAY + 2 * MINUTE))
    schedule, own_life = {"actor": "test", "tzdata": timezones.VERSION}, {"actor": "test"}
    assert [(event.type, event.meta) for event in await log(pool)] == [
        ("JobCreated", schedule),
        ("OccurrencesSkipped", schedule),
        ("RunDispatched", schedule),
        ("AttemptStarted", own_life),
    ]
