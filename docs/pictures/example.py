"""An installation with a year of history, as the commands of clients, schedulers and executors would have left it.

Every event comes from a decision of the domain at a time in the past, so the pages show what they would show.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import uuid_utils.compat as uuids

from docs.pictures.surroundings import executor_of, write_surroundings
from duebook_common.domain.definition import Cron, Definition, Every
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.commands import DecisionContext, Dispatch, JobCommand, PauseJob, ResumeJob
from duebook_common.domain.run.commands import FailAttempt, RunCommand, StartAttempt, Succeed, WakeRun
from duebook_common.domain.run.state import Run
from duebook_common.domain.schedule.nominal import nominal_times
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool, connect
from duebook_common.store.job_handling import create_jobs, handle_job
from duebook_common.store.run_handling import RunWork, handle_runs
from duebook_common.store.statistics import StatisticsSubscriber

SCHEDULER, OPERATOR, CLIENT = Actor("scheduler worker-1"), Actor("key:ops"), Actor("key:ci")
_LEASE, _MINUTE = timedelta(seconds=30), timedelta(minutes=1)
BILLING = (
    'expected 200-299, got 503: {"error":"maintenance until 03:10"}',
    "ConnectionRefusedError: db-replica:5432 refused the connection",
    "ValidationError: /day: this field is required",
)


@dataclass(frozen=True, slots=True)
class Series:
    """A job and what becomes of its runs: `failures` says for a time how many attempts fail, and with which error.

    During the `outage` no scheduler runs.
    """

    definition: Definition
    since: datetime
    took: float
    failures: Callable[[datetime], tuple[int, str]] = lambda _: (0, "")
    commands: dict[datetime, JobCommand] = field(default_factory=dict)
    outage: tuple[datetime, datetime] | None = None


# The database's clock, as functions that are written without a schema see it: the time of the step that is written.
_CLOCK = """
CREATE SCHEMA example;
CREATE FUNCTION example.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
AS $$ SELECT current_setting('example.now')::timestamptz $$
"""
_SET_CLOCK = "SELECT set_config('example.now', $1, false)"


@asynccontextmanager
async def _pool_of_the_past(url: str) -> AsyncIterator[Pool]:
    """One connection whose clock is set by `example.now`; without a trace in the end."""
    async with connect(url, "example", 1) as pool:
        await pool.execute(_CLOCK)
        await pool.execute("SET search_path = example, pg_catalog, public")
        try:
            yield pool
        finally:
            await pool.execute("RESET search_path")
            await pool.execute("DROP SCHEMA example CASCADE")


class Example:
    """Writes series into the database, each from its start until now."""

    def __init__(self, pool: Pool, now: datetime) -> None:
        self._pool, self._now, self._random = pool, now, Random(7)

    async def write(self, series: Series) -> UUID:
        """Create the job, then dispatch and execute every nominal time up to now."""
        job_id = uuids.uuid7()
        created = job_decide.create(job_id, series.definition, series.since)
        await self._at(series.since)
        await create_jobs(self._pool, {job_id: created}, CLIENT)
        for at, command in self._steps(series):
            await self._at(at)
            actor = SCHEDULER if isinstance(command, Dispatch) else OPERATOR
            result = await handle_job(self._pool, job_id, command, actor)
            for run in result.runs if result else ():
                if run.active:
                    await self._execute(run, series, at)
        return job_id

    def _steps(self, series: Series) -> Iterator[tuple[datetime, JobCommand]]:
        """The passes of the scheduler and the commands of people, in order."""
        commands = dict(series.commands)
        for nominal in nominal_times(series.definition, series.since):
            at = nominal + timedelta(milliseconds=2)
            if at > self._now:
                return
            for given in sorted(each for each in commands if each <= at):
                yield given, commands.pop(given)
            if series.outage and series.outage[0] <= at < series.outage[1]:
                at = series.outage[1]
            yield at, Dispatch(_context(at))

    async def _execute(self, run: Run, series: Series, at: datetime) -> None:
        failures, error = series.failures(run.nominal_at)
        executor = executor_of(run.queue, run.task)
        for attempt in range(1, failures + 2):
            took = timedelta(seconds=series.took * self._random.uniform(0.8, 1.3))
            if at + took > self._now:
                await self._do(run, StartAttempt(attempt - 1, executor, _LEASE, at))
                return
            await self._do(run, StartAttempt(attempt - 1, executor, _LEASE, at))
            if attempt > failures:
                await self._do(run, Succeed(attempt, {"rows": self._random.randrange(10_000)}, at + took))
                return
            await self._do(run, FailAttempt(attempt, error, at + took, chance=0.5, retry=attempt < 4))
            if attempt == 4:
                return
            at += took + timedelta(seconds=2**attempt)
            await self._requeue(run, at)

    async def _requeue(self, run: Run, at: datetime) -> None:
        await self._do(run, WakeRun(at, 0.5, _MINUTE))

    async def _at(self, now: datetime) -> None:
        await self._pool.execute(_SET_CLOCK, now.isoformat())

    async def _do(self, run: Run, command: RunCommand) -> None:
        await self._at(command.now)
        actor = Actor(f"executor {executor_of(run.queue, run.task)}")
        [result] = await handle_runs(self._pool, [RunWork(run.id, command)], actor)
        if result.error is not None:
            raise result.error


def _context(now: datetime) -> DecisionContext:
    return DecisionContext(now=now, misfire=_MINUTE, look_again_after=_MINUTE, dispatch=0)


def nightly_report(now: datetime) -> Series:
    """Every weekday for a year: a week of pause, two days with retries, one dead letter, a night without schedulers."""
    since = now - timedelta(days=363)
    days = {now.date() - timedelta(days=n): n for n in range(364)}
    pause, resume = (now - timedelta(days=n) for n in (184, 179))
    retried = [day for day, n in days.items() if n >= 244 and day.weekday() in {1, 2}][:2]
    died = next(day for day, n in days.items() if n >= 112 and day.weekday() == 2)  # on whatever day this is drawn

    def failures(at: datetime) -> tuple[int, str]:
        if at.date() == died:
            return 4, BILLING[2]
        return (2, BILLING[1]) if at.date() in retried else (0, "")

    definition = Definition(
        name="nightly report",
        task="reports.nightly",
        payload={"day": "yesterday", "format": "pdf"},
        scheduled_at=since,
        recurrence=Cron("0 2 * * 1-5"),
        timezone="Europe/Berlin",
        tags=("finance",),
    )
    commands: dict[datetime, JobCommand] = {
        pause: PauseJob("stock-taking", _context(pause), hold=False),
        resume: ResumeJob("stock-taking is over", resume),
    }
    night = next(day for day, n in days.items() if n > 150 and day.weekday() == 4)
    start = datetime(night.year, night.month, night.day, tzinfo=UTC)
    return Series(definition, since, 41, failures, commands, (start, start + timedelta(hours=6)))


def recent(  # noqa: PLR0913, PLR0917 - one parameter for each difference between the series
    name: str, task: str, queue: str, every: timedelta, took: float, now: datetime, incident: str = "", tag: str = ""
) -> Series:
    """A series of the last hours; with an incident its runs of some twenty minutes ended as dead letters."""
    since = now - timedelta(hours=5, minutes=3)
    start, end = now - timedelta(minutes=75), now - timedelta(minutes=50)

    def failures(at: datetime) -> tuple[int, str]:
        if incident and start <= at <= end:
            return (4 if at.minute % 2 or at.second else 2), incident
        return (1, BILLING[1]) if at.minute % 19 == 7 else (0, "")

    definition = Definition(
        name=name,
        task=task,
        payload={"tenant": tag or "all"},
        scheduled_at=since,
        recurrence=Every(every),
        queue=queue,
        tags=(tag,) if tag else (),
    )
    return Series(definition, since, took, failures)


def all_series(now: datetime) -> list[Series]:
    minute = timedelta(minutes=1)
    return [
        nightly_report(now),
        recent("charge invoices", "http.request", "default", 2 * minute, 1.2, now, BILLING[0], "tenant-2"),
        recent("charge subscriptions", "http.request", "default", 3 * minute, 0.9, now, BILLING[0], "tenant-7"),
        recent("sync orders", "imports.orders", "imports", 4 * minute, 8, now, BILLING[1]),
        recent("import catalogue", "imports.catalogue", "imports", 30 * minute, 2600, now),
        recent("welcome mails", "email.send", "mail", 5 * minute, 0.4, now),
        recent("refresh search index", "search.refresh", "slow", 15 * minute, 240, now),
        recent("rotate logs", "log", "default", 30 * minute, 2, now),
    ]


async def write_example(url: str, now: datetime | None = None) -> dict[str, UUID]:
    """Write all series, and count them as the scheduler does; returns the ids of the jobs by name."""
    now = now or datetime.now(UTC).replace(microsecond=0)
    async with _pool_of_the_past(url) as pool:
        example = Example(pool, now)
        written = {series.definition.name: await example.write(series) for series in all_series(now)}
    async with connect(url, "example", 2) as pool:
        await write_surroundings(pool, written, now)
        subscriber = StatisticsSubscriber(pool)
        while await subscriber.step(now):
            pass
    return written
