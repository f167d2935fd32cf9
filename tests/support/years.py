"""Months of many kinds of jobs in a short time: a clock that goes from day to day, and outcomes that follow from ids.

Two databases that live the same days hold the same jobs and runs.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from duebook_common.domain.definition import CatchUp, Cron, Every, Overlap, Recurrence, Rrule
from duebook_common.domain.errors import WrongStatus
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.commands import ChangeJob, DecisionContext, Dispatch, PauseJob, ResumeJob
from duebook_common.domain.run.commands import (
    CancelRun,
    DiscardRun,
    FailAttempt,
    RedriveRun,
    RunCommand,
    StartAttempt,
    Succeed,
    WakeRun,
)
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Pool, acquire, transaction
from duebook_common.store.job_handling import create_jobs, decide_jobs, handle_job
from duebook_common.store.locks import lock_jobs
from duebook_common.store.partitions import open_period
from duebook_common.store.rows import load_jobs, load_runs_to_decide
from duebook_common.store.run_handling import RunWork, handle_runs
from support.bookkeeping import ACTOR, definition

START = datetime(2200, 1, 1, tzinfo=UTC)  # later than any real day, so that nothing is overdue for `verify`
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
_KINDS: tuple[dict[str, Any], ...] = (
    {"recurrence": "daily"},
    {"recurrence": "weekly"},
    {"recurrence": Cron("0 6 * * 1-5"), "timezone": "Europe/Berlin"},
    {"recurrence": Every(timedelta(hours=36)), "overlap": Overlap.ALLOW_ALL},
    {"recurrence": Rrule("FREQ=MONTHLY;BYDAY=-1FR"), "max_retries": 0},
    {"recurrence": "daily", "catch_up": CatchUp("all"), "max_retries": 1},
    {"recurrence": "daily", "catch_up": CatchUp("none"), "overlap": Overlap.CANCEL_OTHER},
    {"recurrence": "daily", "overlap": Overlap.BUFFER_ONE, "jitter": timedelta(hours=3)},
    {"recurrence": Cron("30 2 * * *"), "timezone": "America/New_York", "overlap": Overlap.BUFFER_ALL},
    {"recurrence": Every(timedelta(hours=12)), "overlap": Overlap.TERMINATE_OTHER, "catch_up": CatchUp("all", 2 * DAY)},
    {"recurrence": Rrule("FREQ=WEEKLY;BYDAY=MO,TH"), "start_within": timedelta(hours=20), "priority": 9},
    {"recurrence": "daily", "max_runs": 100, "tags": ("few",)},
    {"recurrence": "weekly", "ends_at": START + 200 * DAY, "queue": "other"},
)
KINDS = len(_KINDS)
_DUE = "SELECT job_id FROM jobs WHERE wake_at <= $1 ORDER BY wake_at, job_id LIMIT 500"
_AWAKE = "SELECT run_id FROM runs WHERE wake_at IS NOT NULL AND status = ANY($1) AND created_at <= $2 ORDER BY run_id"
# Of the runs that wait for another run of their job the first, once that has ended.
_FREE = """
SELECT DISTINCT ON (job_id) run_id FROM runs WHERE status = 'waiting' AND NOT EXISTS (
    SELECT FROM runs AS o WHERE o.job_id = runs.job_id AND o.wake_at IS NOT NULL
      AND o.status NOT IN ('waiting', 'dead_lettered')
) ORDER BY job_id, created_at, nominal_at
"""
_DEAD = "SELECT run_id FROM runs WHERE status = 'dead_lettered' AND finished_at <= $1 ORDER BY run_id"


def job_id(number: int) -> UUID:
    return uuid5(NAMESPACE_OID, f"job {number}")


def chance(run_id: UUID) -> int:
    """What becomes of the run, as a number below 100."""
    return run_id.int % 100


class Life:
    """Jobs on one database, by a clock of their own.

    The log gets a period each month, or with `kept` in the first months only: each period that stays costs some
    microseconds of each statement on the log. With nine of them a month takes twice as long.
    """

    def __init__(self, pool: Pool, jobs: int, *, kept: bool = False) -> None:
        self.pool, self.jobs, self.now = pool, [job_id(n) for n in range(jobs)], START
        self._one_offs, self._kept = 0, kept

    async def begin(self) -> None:
        await self._open_period()
        for number, id_ in enumerate(self.jobs):
            kind = {"name": f"job {number}", "scheduled_at": START + HOUR} | _KINDS[number % len(_KINDS)]
            event = job_decide.create(id_, definition(**kind), self.now)
            assert await create_jobs(self.pool, {id_: event}, ACTOR)

    async def live_a_day(self) -> None:
        """One day: what is due runs and ends; schedulers stand still for the first three days of each third month."""
        self.now += DAY
        if self.now.day == 1 and (not self._kept or self.now < START + 100 * DAY):
            await self._open_period()
        await self._create_one_offs()
        await self._pause_or_resume()
        await self._change()
        if self.now.month % 3 == 0 and self.now.day <= 3:
            return
        while due := [record[0] for record in await self.pool.fetch(_DUE, self.now)]:
            async with transaction(self.pool) as db:
                await lock_jobs(db, due)
                await decide_jobs(db, dict.fromkeys(due, Dispatch(self._context())), ACTOR)
        await self._end_dead_letters()
        await self._run()

    async def _open_period(self) -> None:
        async with transaction(self.pool) as db:
            assert await open_period(db, self.now)

    async def _create_one_offs(self) -> None:
        """Two for today, one for a day of the next months."""
        events = {}
        for ahead in (0, 0, 40):
            self._one_offs += 1
            id_, time = uuid5(NAMESPACE_OID, f"one-off {self._one_offs}"), self.now + ahead * DAY
            events[id_] = job_decide.create(id_, definition(name="one-off", scheduled_at=time), self.now)
        assert await create_jobs(self.pool, events, ACTOR)

    async def _pause_or_resume(self) -> None:
        if self.now.day in {10, 20} and self.now.month % 4 == 0:
            pause, resume = PauseJob("a test", self._context()), ResumeJob("a test", self.now)
            for id_ in self.jobs[::5]:
                with suppress(WrongStatus):  # it has finished
                    await handle_job(self.pool, id_, pause if self.now.day == 10 else resume, ACTOR)

    async def _change(self) -> None:
        """In the middle of each year a few jobs get another schedule, and change back in the next one."""
        if (self.now.month, self.now.day) != (7, 15):
            return
        async with acquire(self.pool) as db:
            jobs = await load_jobs(db, self.jobs[::11])
        for job in jobs.values():
            recurrence: Recurrence = "daily" if job.definition.recurrence == "weekly" else "weekly"
            changed = replace(job.definition, recurrence=recurrence, ends_at=None, max_runs=None)
            with suppress(WrongStatus):
                await handle_job(self.pool, job.id, ChangeJob(changed, self._context(), run_exists=False), ACTOR)

    async def _end_dead_letters(self) -> None:
        """After six weeks half of them are discarded, and half redriven."""
        dead = [record[0] for record in await self.pool.fetch(_DEAD, self.now - 42 * DAY)]
        await self._do([(id_, DiscardRun("old", self.now)) for id_ in dead if chance(id_) % 2])
        await self._do([(id_, RedriveRun("again", 2, self.now)) for id_ in dead if chance(id_) % 2 == 0])

    async def _run(self) -> None:
        wake = WakeRun(self.now, 0.5, MINUTE, free=True)
        for _ in range(3):
            free = [record[0] for record in await self.pool.fetch(_FREE)]
            await self._do([(id_, wake) for id_ in [*free, *await self._awake(["retrying"])]])
            sent = await self._runs([id_ for id_ in await self._awake(["dispatched"]) if chance(id_) != 7])
            if not sent:
                break
            started = await self._do_known(sent, lambda run: StartAttempt(run.dispatch, "executor", MINUTE, self.now))
            await self._do_known(started, self._outcome)
        long_ago = self.now - 45 * DAY  # a message that was lost, and its run at last cancelled
        stuck = [id_ for id_ in await self._awake(["dispatched"], long_ago) if chance(id_) == 7]
        await self._do([(id_, CancelRun("lost", self.now)) for id_ in stuck])

    def _outcome(self, run: Run) -> RunCommand:
        if chance(run.id) < 85 or (run.failures == 0 and run.attempt > 1):
            return Succeed(run.attempt, {"rows": chance(run.id)}, self.now)
        return FailAttempt(run.attempt, "boom", self.now, 0.5, retry=chance(run.id) >= 95)

    async def _awake(self, statuses: Sequence[str], before: datetime | None = None) -> list[UUID]:
        return [record[0] for record in await self.pool.fetch(_AWAKE, statuses, before or self.now)]

    async def _runs(self, ids: Sequence[UUID]) -> list[Run]:
        async with acquire(self.pool) as db:
            runs = await load_runs_to_decide(db, ids)
        return [runs[id_] for id_ in ids]

    async def _do(self, commands: Sequence[tuple[UUID, RunCommand]]) -> None:
        if commands:
            await handle_runs(self.pool, [RunWork(*each) for each in commands], ACTOR)

    async def _do_known(self, runs: Sequence[Run], command: Callable[[Run], RunCommand]) -> list[Run]:
        """Give each run a command, as an executor does that knows what it wrote last; returns them after it."""
        work = [RunWork(run.id, command(run), run) for run in runs]
        return [result.run for result in await handle_runs(self.pool, work, ACTOR) if result.run is not None]

    def _context(self) -> DecisionContext:
        return DecisionContext(now=self.now, misfire=DAY, look_again_after=MINUTE, dispatch=1)
