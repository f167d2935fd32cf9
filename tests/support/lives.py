"""The life of a job without a database: commands, polls and ends of runs, and the nominal times to be expected."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from uuid import UUID

from hypothesis import strategies as st

from duebook_common.domain.definition import CatchUp, Cron, Definition, Dst, Every, Overlap
from duebook_common.domain.errors import WrongStatus
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.admission import next_of_job
from duebook_common.domain.job.commands import (
    AdmitWaiting,
    Backfill,
    ChangeJob,
    DecisionContext,
    DeleteJob,
    Dispatch,
    JobCommand,
    PauseJob,
    ResumeJob,
)
from duebook_common.domain.job.events import JobChanged, JobCreated, JobEvent, OccurrencesSkipped
from duebook_common.domain.job.state import JobStatus, job_after
from duebook_common.domain.run import evolve as run_domain
from duebook_common.domain.run.commands import (
    CancelRun,
    ConfirmCancel,
    FailAttempt,
    RunCommand,
    StartAttempt,
    Succeed,
    WakeRun,
)
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.events import BY_SCHEDULE, FirstEvent, RunFact
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.domain.schedule.nominal import nominal_times
from support.samples import DAY, HOUR, JOB_ID, MINUTE, a_definition, context, past


def nominal_times_until(definition: Definition, after: datetime | None, until: datetime) -> list[datetime]:
    return list(takewhile(lambda time: time <= until, nominal_times(definition, after)))


class Life:
    """A job, its runs, its events, and independently of them the nominal times that its ledger must show.

    `expected` are the nominal times that have come, `in_force` the version of the definition at each. `skipped` are
    the times in a range of skips, with the reason, `by_schedule` those with a run. Times become expected as they come,
    by the definition in force then.
    """

    def __init__(self, created: JobCreated, misfire: timedelta) -> None:
        self.job, self.now, self.misfire = job_state.opened(JOB_ID, created), created.at, misfire
        self.history: list[JobEvent | RunFact] = [created]
        self.runs: dict[UUID, Run] = {}
        self.expected: list[datetime] = []
        self.in_force: dict[datetime, int] = {}
        self.skipped: dict[datetime, str] = {}
        self.by_schedule: dict[datetime, UUID] = {}
        self.since: datetime | None = None
        self.wait(timedelta(0))

    def __repr__(self) -> str:
        parts = [f"now {self.now}", *(_short(event) for event in self.own)]
        return f"Life({len(self.runs)} runs, {len(self.own)} events: {' -> '.join(parts[:20])})"

    @property
    def own(self) -> list[JobEvent]:
        """The job's own stream."""
        return [event for event in self.history if not isinstance(event, RunFact)]

    @property
    def active(self) -> list[Run]:
        return [run for run in self.runs.values() if run.active]

    def context(self, dispatch: int = 0) -> DecisionContext:
        return context(self.now, misfire=self.misfire, dispatch=dispatch)

    def wait(self, time: timedelta) -> None:
        self.now += time
        if self.job.status in {JobStatus.ACTIVE, JobStatus.PAUSED}:
            self._expect(nominal_times_until(self.job.definition, self.since, self.now))
        self.since = self.now

    def _expect(self, times: Sequence[datetime]) -> None:
        self.expected += times
        self.in_force |= dict.fromkeys(times, self.job.version)

    def poll(self) -> None:
        self.do(Dispatch(self.context(dispatch=1)))

    def do(self, command: JobCommand) -> None:
        self.follow(job_decide.decide(self.job, self.active, command))

    def pause(self, reason: str | None = None) -> None:
        self.do(PauseJob(reason, self.context()))

    def resume(self) -> None:
        self.do(ResumeJob(None, self.now))

    def delete(self) -> None:
        self.do(DeleteJob(self.now))

    def change(self, definition: Definition) -> None:
        before, run_exists = self.job.definition, run_id_at(JOB_ID, definition.scheduled_at) in self.runs
        moved = definition.recurrence == "none" and definition.scheduled_at != before.scheduled_at
        repeated = (
            nominal_times_until(definition, None, self.now) if moved else []
        )  # of a one-off that is moved into the past
        self.skipped = {time: reason for time, reason in self.skipped.items() if time not in repeated}
        self.do(ChangeJob(definition, self.context(), run_exists=run_exists))
        self._expect(repeated)

    def follow(self, facts: Iterable[RunFact | JobEvent]) -> None:
        for fact in facts:
            if isinstance(fact, OccurrencesSkipped):
                inside = nominal_times_until(self.job.definition, fact.first - timedelta(microseconds=1), fact.last)
                self.skipped |= dict.fromkeys(inside, fact.reason)
            self.history.append(fact)
            if isinstance(fact, RunFact):
                self._follow_run(fact)
            self.job = job_after(self.job, [fact])

    def backfill(self, times: Sequence[datetime]) -> None:
        """Backfill, by the definition in force now."""
        self.do(Backfill(past(self.job, *times), Overlap.ALLOW_ALL, self.context()))

    def _follow_run(self, fact: RunFact) -> None:
        if not isinstance(fact.event, FirstEvent):
            self.runs[fact.run_id] = run_domain.evolve(self.runs[fact.run_id], fact.event)
            return
        assert fact.run_id not in self.runs
        self.runs[fact.run_id] = run_domain.opened(fact.run_id, fact.event)
        if fact.event.trigger in BY_SCHEDULE:
            self.by_schedule[fact.event.nominal_at] = fact.run_id

    def end(self, status: RunStatus) -> None:
        """End all active runs, one after the other."""
        self.end_these(self.active, status)

    def end_these(self, runs: Iterable[Run], status: RunStatus = RunStatus.SUCCEEDED) -> None:
        for run in runs:
            if status is RunStatus.CANCELLED:
                self._command(run.id, CancelRun(None, self.now))
                continue
            if run.status is RunStatus.WAITING:
                self._command(run.id, WakeRun(self.now, 0, MINUTE, free=True))
            self._command(run.id, StartAttempt(self.runs[run.id].dispatch, "executor", MINUTE, self.now))
            if self.runs[run.id].status is RunStatus.RUNNING:  # else its deadline has passed
                dies = FailAttempt(1, "boom", self.now, 0, retry=False)
                self._command(run.id, dies if status is RunStatus.DEAD_LETTERED else Succeed(1, None, self.now))

    def work(self, length: timedelta) -> None:
        """Do what executors do whose task takes so long, and the scheduler's admission, until nothing more happens."""
        before = -1
        while before != len(self.history):
            before = len(self.history)
            for run in self.active:
                self._work_on(run, length)
            following = next_of_job(self.active, self.now, lambda _: True)
            free = frozenset({following.id} if following is not None else ())
            self.do(AdmitWaiting(free, self.now, MINUTE))

    def _work_on(self, run: Run, length: timedelta) -> None:
        if run.status is RunStatus.DISPATCHED:
            self._command(run.id, StartAttempt(run.dispatch, "executor", MINUTE, self.now))
        elif run.cancel_requested:
            self._command(run.id, ConfirmCancel(run.attempt, self.now))
        elif run.started_at is not None and self.now - run.started_at >= length:
            self._command(run.id, Succeed(run.attempt, None, self.now))

    def _command(self, run_id: UUID, command: RunCommand) -> None:
        self.follow([RunFact(run_id, event) for event in decide(self.runs[run_id], command)])


def _short(event: JobEvent) -> str:
    match event:
        case OccurrencesSkipped():
            return f"{event.count} skipped {event.first} to {event.last} at {event.at}: {event.reason}"
        case JobChanged():
            return f"changed at {event.at} to {event.definition}, next {event.next_at}"
        case JobCreated():
            return f"created at {event.at} as {event.definition}, next {event.next_at}"
        case _:
            return f"{type(event).__name__} at {event.at}"


def new_life(definition: Definition, now: datetime, misfire: timedelta = MINUTE) -> Life:
    return Life(job_decide.create(JOB_ID, definition, now), misfire)


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
RECURRENCES = [
    "none",
    "daily",
    "weekly",
    Every(7 * HOUR),
    Every(20 * MINUTE),
    Cron("30 2,14 * * *"),
    Cron("15 * * * *"),
]


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    first = draw(st.datetimes(datetime(2011, 12, 1), datetime(2012, 4, 20), timezones=st.just(UTC)))  # noqa: DTZ001
    return a_definition(
        name=draw(st.sampled_from(["a", "b"])),
        scheduled_at=first,
        recurrence=draw(st.sampled_from(RECURRENCES)),
        timezone=draw(st.sampled_from(ZONES)),
        dst=Dst(draw(st.sampled_from(["run_after", "skip"])), draw(st.sampled_from(["first", "second", "both"]))),
        ends_at=draw(st.none() | st.timedeltas(timedelta(0), 40 * DAY).map(lambda length: first + length)),
        start_within=draw(st.none() | st.timedeltas(MINUTE, 2 * DAY)),
        overlap=draw(st.sampled_from(Overlap)),
        catch_up=CatchUp(
            draw(st.sampled_from(["latest", "all", "none"])),
            draw(st.timedeltas(timedelta(0), 4 * DAY) | st.just(365 * DAY)),
        ),
        max_runs=draw(st.none() | st.integers(1, 20)),
        jitter=draw(st.none() | st.timedeltas(MINUTE, 2 * DAY)),
    )


@st.composite
def changed(draw: st.DrawFn, life: Life) -> Definition:
    """Another definition, with another schedule or with the same."""
    if draw(st.booleans()):
        return replace(life.job.definition, name=draw(st.sampled_from("cd")), max_runs=draw(st.integers(1, 20)))
    moved = draw(definitions())
    return replace(moved, scheduled_at=life.now + draw(st.timedeltas(-20 * DAY, 10 * DAY)), ends_at=None)


ENDS = st.sampled_from([RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.DEAD_LETTERED])
WAITS = st.timedeltas(timedelta(0), 5 * MINUTE) | st.timedeltas(timedelta(0), 20 * DAY) | st.just(DAY)
KINDS = ["poll", "poll", "poll", "end", "pause", "resume", "change", "delete"]


@st.composite
def lives(draw: st.DrawFn, kinds: Sequence[str] = KINDS, most: int = 14) -> Life:
    definition = draw(definitions())
    life = new_life(
        definition,
        definition.scheduled_at + draw(st.timedeltas(-DAY, 30 * DAY)),
        draw(st.sampled_from([timedelta(0), MINUTE, HOUR, 3 * DAY])),
    )
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=most)):
        life.wait(draw(WAITS))
        if life.job.status is not JobStatus.DELETED:
            _random_command(life, kind, draw)
    life.wait(draw(WAITS))
    return life


def _random_command(life: Life, kind: str, draw: st.DrawFn) -> None:
    can_be_paused = life.job.status in {JobStatus.ACTIVE, JobStatus.PAUSED}
    commands: dict[str, Callable[[], None]] = {
        "poll": life.poll,
        "end": lambda: life.end(draw(ENDS)),
        "change": lambda: life.change(draw(changed(life))),
        "delete": life.delete,
    }
    if can_be_paused:
        commands |= {
            "pause": life.pause,
            "resume": life.resume,
        }
    if kind in commands:
        with suppress(WrongStatus):  # the last occurrence of the job was due
            commands[kind]()
