"""Jobs of every policy, while clients, the scheduler, executors and the clock act in any order.

After each step the invariants of `verify` hold. At the end of each example `rebuild` replaces no row.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from duebook_common.domain.definition import CatchUp, Concurrency, Every, Overlap, Rate
from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.job.commands import (
    ChangeJob,
    DecisionContext,
    DeleteJob,
    JobCommand,
    PauseJob,
    ResumeJob,
    TriggerRun,
)
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.commands import (
    CancelRun,
    ConfirmCancel,
    DeferRun,
    DiscardRun,
    FailAttempt,
    RedriveRun,
    ReleaseAttempt,
    RunCommand,
    StartAttempt,
    Succeed,
    WakeRun,
)
from duebook_common.domain.run.state import ENDED, Run, RunStatus
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify_jobs import check_job
from duebook_common.integrity.verify_limits import check_keys
from duebook_common.integrity.verify_rates import check_rates
from duebook_common.store.database import acquire
from duebook_common.store.job_handling import handle_job
from duebook_common.store.rows import load_jobs, run_of
from duebook_common.store.run_handling import RunWork, handle_runs
from support.bookkeeping import ACTOR, NOW, check_invariants, created
from support.scheduler_world import MISFIRE, World
from support.state_machines import run_state_machine

HOUR = timedelta(hours=1)
_RUNS = """
SELECT * FROM runs WHERE job_id = ANY($1) AND status = ANY($2) ORDER BY nominal_at, job_id, trigger, created_at
"""
_DUE = "SELECT * FROM runs WHERE job_id = ANY($1) AND status = 'waiting' AND wake_at <= $2"


picks = st.integers(0, 30)
windows = [5 * HOUR, 90 * HOUR]
policies = st.fixed_dictionaries(
    {
        "overlap": st.sampled_from(Overlap),
        "catch_up": st.builds(
            CatchUp, st.sampled_from(["latest", "all", "none"]), st.sampled_from([5 * HOUR, 90 * HOUR])
        ),
        "concurrency": st.sampled_from([None, None, None, Concurrency("a", 1), Concurrency("a", 2)]),
        # The database counts starts by its own clock, so the first of these rates soon allows no more.
        "rate": st.sampled_from([None] * 4 + [Rate("few", 3, HOUR), Rate("many", 100_000, HOUR)]),
        "pause_on_failure": st.booleans(),
        "max_runs": st.sampled_from([None] * 6 + [5, 12]),
        "jitter": st.sampled_from([None, None, timedelta(minutes=1), 3 * HOUR]),
        "start_within": st.sampled_from([None, None, None, 5 * HOUR]),
        "max_retries": st.integers(0, 1),
        "recurrence": st.sampled_from([Every(HOUR), Every(3 * HOUR), "daily"]),
    }
)
times = st.sampled_from([timedelta(seconds=1), timedelta(minutes=21), HOUR, HOUR, 9 * HOUR])
schedulers = ["poll"] * 7 + ["no poll"] * 3 + ["poll ahead"] * 3
executors = ["start"] * 3 + ["all succeed"] * 3 + ["defer"] * 2
executors += ["succeed", "fail", "fail for good", "fail for good", "release", "lose", "retry", "retry", "confirm"]
clients = ["cancel", "redrive", "redrive", "discard", "pause", "hold", "hold", "resume", "resume", "resume"]
clients += ["change", "change", "trigger", "trigger", "trigger", "delete"]


class Machine(RuleBasedStateMachine):
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[UUID] = []
        self.world.clock.time = NOW

    @property
    def now(self) -> datetime:
        return self.world.clock.time

    @initialize(policies=st.lists(policies, min_size=2, max_size=2), hours=st.integers(0, 12))
    def create_jobs(self, policies: list[dict[str, Any]], hours: int) -> None:
        first = self.now - hours * HOUR
        for chosen in policies:
            self.jobs.append(self.world.run(created(self.world.pool, self._id(), **chosen, scheduled_at=first)))

    def _id(self) -> UUID:
        """Ids ascend in the order in which they are made, so that an example can be repeated."""
        return UUID(int=next(self.world.numbers) << 64)

    # One rule for all actions, because hypothesis leaves some of several rules out of each example.
    @rule(what=st.sampled_from(schedulers + executors + clients), later=times, pick=picks, data=st.data())
    def act(self, what: str, later: timedelta, pick: int, data: st.DataObject) -> None:
        match what:
            case "poll":
                self.world.clock.time += later
                self._poll()
            case "poll ahead":  # nothing is decided ahead while a run is active
                self._poll()
                self._command_all("start", RunStatus.DISPATCHED)
                self._command_all("succeed", RunStatus.RUNNING)
                self.world.go_to_next_due_time(self.jobs)
                self._poll()
            case "no poll":
                self.world.clock.time += later
            case "start":
                self._command_all("start", RunStatus.DISPATCHED)
            case "all succeed":
                self._command_all("start", RunStatus.DISPATCHED)
                self._command_all("succeed", RunStatus.RUNNING)
            case "pause" | "hold" | "resume" | "change" | "trigger" | "delete":
                self._change_job(what, self.jobs[pick % len(self.jobs)], data)
            case _:
                runs = self._runs_in(*_STATUSES[what])
                if runs:
                    self._command_run(what, runs[pick % len(runs)])

    def _poll(self) -> None:
        for _ in range(20):
            if not self.world.run(self.world.dispatcher.step()):
                break
        for _ in range(3):
            self.world.run(self._admit())

    def _command_all(self, kind: str, status: RunStatus) -> None:
        for run in self._runs_in(status):
            self._command_run(kind, run)

    async def _admit(self) -> None:
        rows = await self.world.pool.fetch(_DUE, self.jobs, self.now)
        await self.world.admission.admit([run_of(row) for row in rows], {("default", "log")})

    def _runs_in(self, *statuses: RunStatus) -> list[Run]:
        rows = self.world.run(self.world.pool.fetch(_RUNS, self.jobs, list(statuses)))
        return [run_of(row) for row in rows]

    def _command_run(self, kind: str, run: Run) -> None:
        work = [RunWork(run.id, self._command(kind, run))]
        (result,) = self.world.run(handle_runs(self.world.pool, work, ACTOR))
        assert result.error is None or isinstance(result.error, CommandRejected)

    def _command(self, kind: str, run: Run) -> RunCommand:
        attempt, now, later = run.attempt, self.now, (run.wake_at or self.now) + HOUR
        commands: dict[str, RunCommand] = {
            "start": StartAttempt(run.dispatch, "executor", HOUR, now),
            "defer": DeferRun(run.dispatch, "executor", now, 0.5),
            "succeed": Succeed(attempt, None, now),
            "fail": FailAttempt(attempt, "boom", now, 0.5),
            "fail for good": FailAttempt(attempt, "for good", now, 0.5, retry=False),
            "release": ReleaseAttempt(attempt, now),
            "lose": WakeRun(max(now, later), 0.5, HOUR),
            "retry": WakeRun(max(now, later), 0.5, HOUR),
            "cancel": CancelRun("enough", now),
            "confirm": ConfirmCancel(attempt, now),
            "redrive": RedriveRun("again", 2, now),
            "discard": DiscardRun("no more", now),
        }
        return commands[kind]

    def _change_job(self, act: str, job_id: UUID, data: st.DataObject) -> None:
        context = DecisionContext(now=self.now, misfire=MISFIRE, look_again_after=HOUR, dispatch=0)
        changed = data.draw(policies) if act == "change" else {}
        overlap = data.draw(st.sampled_from(Overlap)) if act == "trigger" else Overlap.SKIP
        job = self.world.run(self._job(job_id))
        commands: dict[str, Callable[[], JobCommand]] = {
            "pause": lambda: PauseJob("wait", context),
            "hold": lambda: PauseJob("stop the bleeding", context, hold=True),
            "resume": lambda: ResumeJob(None, self.now),
            "change": lambda: ChangeJob(replace(job.definition, **changed), context, run_exists=True),
            "trigger": lambda: TriggerRun(self._id(), overlap, context),
            "delete": lambda: DeleteJob(self.now),
        }
        try:
            if job.status is not JobStatus.DELETED:
                self.world.run(handle_job(self.world.pool, job_id, commands[act](), ACTOR))
        except CommandRejected:
            assert act in {"pause", "hold", "resume"}

    async def _job(self, job_id: UUID) -> Job:
        async with acquire(self.world.pool) as db:
            return (await load_jobs(db, [job_id]))[job_id]

    @invariant()
    def the_invariants_hold(self) -> None:
        """Of rows, log, holds and limits. Log and rows are read once for all, because there are 1,600 steps."""
        found = self.world.run(check_invariants(self.world.pool, set(self.jobs)))
        for job_id in self.jobs:
            recorded = [item for item in found.events if item.job_id == job_id]
            assert list(check_job(recorded, NOW - 9000 * HOUR)) == []
        for run in found.runs.values():
            if run.status not in ENDED | {RunStatus.DEAD_LETTERED}:
                held = found.jobs[run.job_id].held
                assert run.held == held
                assert not held or run.status in {RunStatus.WAITING, RunStatus.RUNNING}
        self.world.run(self._check_limits())

    async def _check_limits(self) -> None:
        async with acquire(self.world.pool) as db, db.transaction():
            assert await check_keys(db) == []
            assert await check_rates(db) == []

    def teardown(self) -> None:
        assert self.world.run(rebuild(self.world.pool)).replaced == 0


_RUNNING = {RunStatus.RUNNING}
_STATUSES: dict[str, set[RunStatus]] = {
    "start": {RunStatus.DISPATCHED},
    "defer": {RunStatus.DISPATCHED},
    "succeed": _RUNNING,
    "fail": _RUNNING,
    "fail for good": _RUNNING,
    "release": _RUNNING,
    "lose": _RUNNING,
    "confirm": _RUNNING,
    "retry": {RunStatus.RETRYING, RunStatus.DISPATCHED},
    "cancel": {RunStatus.WAITING, RunStatus.DISPATCHED, RunStatus.RUNNING, RunStatus.RETRYING},
    "redrive": {RunStatus.DEAD_LETTERED},
    "discard": {RunStatus.DEAD_LETTERED},
}


@pytest.fixture
def world(postgres_url: str) -> Iterator[World]:
    world = World(postgres_url)
    yield world
    world.close()


def test_the_invariants_hold_for_jobs_of_every_policy(world: World) -> None:
    random.seed(1)
    run_state_machine(Machine, examples=40, steps=40, world=world)
