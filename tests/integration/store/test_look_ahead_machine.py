"""Jobs that are decided ahead, alone and as a crowd, while clients, two schedulers, executors and the clock act.

The clock steps in both directions, schedulers crash, and messages come twice, late or never. After each step the
invariants of `verify` hold, and what a client was answered holds too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from duebook_common.domain.definition import CatchUp, Every, Overlap
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
from duebook_common.domain.run.ahead import LONGEST_LOOK_AHEAD, decided_ahead, started_ahead
from duebook_common.domain.run.commands import CancelRun, FailAttempt, RunCommand, StartAttempt, Succeed, WakeRun
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify_jobs import check_job
from duebook_common.store import job_handling
from duebook_common.store.database import Clock, acquire
from duebook_common.store.job_handling import handle_job
from duebook_common.store.rows import load_active_runs, load_jobs, run_of
from duebook_common.store.run_handling import RunWork, handle_runs
from duebook_scheduler import crowds, early_runs
from duebook_scheduler.crowds import LONGEST_LEAD
from duebook_scheduler.dispatch import Dispatcher
from support.bookkeeping import ACTOR, NOW, check_invariants, created
from support.samples import MINUTE, SECOND
from support.scheduler_messages import CheckedSender, Messages
from support.scheduler_world import OtherClock, World
from support.state_machines import run_state_machine

AHEAD, LEASE = SECOND, 30 * SECOND
MISFIRE = 15 * MINUTE  # so that the longest step passes hundreds of occurrences, which each later step checks
SLOTS, HELD_FOR_EACH_SLOT = 2, 1
_SHORT = "UPDATE executors SET slots = $1, short = tasks"
_SCHEDULERS = """
INSERT INTO services (instance_id, service, host, version, schema, tzdata, settings, started_at, seen_at)
SELECT gen_random_uuid(), 'scheduler', 'host', '1', '1', '1', '{}', now(), 'infinity' FROM generate_series(1, 2)
"""
_RUNS = "SELECT * FROM runs WHERE job_id = ANY($1) AND status = ANY($2) ORDER BY due_at, job_id, trigger, created_at"
_OPEN = [RunStatus.DISPATCHED, RunStatus.RUNNING, RunStatus.RETRYING]

policies = st.fixed_dictionaries(
    {
        "overlap": st.sampled_from(Overlap),
        "catch_up": st.builds(CatchUp, st.sampled_from(["latest", "all", "none"]), st.just(MINUTE)),
        "max_retries": st.integers(0, 1),
        "max_runs": st.sampled_from([None, None, 3]),
        "start_within": st.sampled_from([None, None, SECOND]),
        "recurrence": st.sampled_from(["none", Every(10 * SECOND), Every(10 * SECOND), Every(15 * SECOND)]),
    }
)
steps = st.sampled_from([0.1 * SECOND, 0.4 * SECOND, SECOND, 3 * SECOND, 10 * SECOND, 3 * MISFIRE])
offsets = st.sampled_from([-0.7 * SECOND, 0 * SECOND, 0.3 * SECOND, 0.5 * SECOND])
schedulers = ["poll"] * 4 + ["poll ahead"] * 5 + ["crash"]
clock = ["later", "back", "to the instant", "to the instant"]
executors = ["deliver"] * 4 + ["deliver again", "succeed", "succeed", "succeed early", "fail"]
clients = ["pause", "hold", "resume", "resume", "change", "change", "trigger", "cancel", "cancel", "delete"]
WAITING = {"pause", "hold", "resume", "change"}


class Machine(RuleBasedStateMachine):
    world: World
    seen: list[Messages]

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[UUID] = []
        self.world.clock.time = self.latest = self.accounted = NOW
        self.messages = Messages()
        self.seen.append(self.messages)

    @initialize(
        policies=st.lists(policies, min_size=4, max_size=4), alone=policies,
        offsets=st.lists(offsets, min_size=2, max_size=2),
    )  # fmt: skip
    def create_jobs(self, policies: list[dict[str, Any]], alone: dict[str, Any], offsets: list[timedelta]) -> None:
        """Four are due together, which is a crowd here; one is due by itself."""
        self.clocks = [OtherClock(self.world.clock, offset) for offset in offsets]
        self.schedulers = [self._new_scheduler(clock) for clock in self.clocks]
        for at, chosen in [*((NOW + 10 * SECOND, each) for each in policies), (NOW + 17 * SECOND, alone)]:
            self.jobs.append(self.world.run(created(self.world.pool, self._id(), **chosen, scheduled_at=at)))

    def _new_scheduler(self, clock: Clock) -> Dispatcher:
        sender = CheckedSender(self.messages, clock, AHEAD, most=SLOTS // 2 * HELD_FOR_EACH_SLOT)
        return self.world.new_dispatcher(sender, clock)

    def _id(self) -> UUID:
        return UUID(int=next(self.world.numbers) << 64)

    # One rule for all actions, because hypothesis leaves some of several rules out of each example.
    @rule(
        what=st.sampled_from(schedulers + clock + executors + clients), step=steps, pick=st.integers(0, 30),
        data=st.data(),
    )  # fmt: skip
    def act(self, what: str, step: timedelta, pick: int, data: st.DataObject) -> None:
        match what:
            case "poll" | "poll ahead":
                if what == "poll ahead":
                    self._go_before_the_next_instant([0.1, 0.9, 3.0, 4.4][pick % 4] * SECOND)
                self._poll(pick)
                self._wake()
            case "crash":  # with all messages that it keeps
                self.schedulers[pick % 2] = self._new_scheduler(self.clocks[pick % 2])
            case "later" | "back" | "to the instant":
                self._step_clock(what, step)
            case "deliver" | "deliver again":
                self._deliver(pick, again=what == "deliver again")
            case "succeed" | "succeed early" | "fail":
                self._end(what, pick)
            case "cancel":
                self._cancel(pick)
            case _:
                self._change_job(what, self.jobs[pick % len(self.jobs)], data)

    @property
    def _now(self) -> Any:
        return self.world.clock.time

    def _step_clock(self, what: str, step: timedelta) -> None:
        if what == "to the instant":
            instants = [run.created_at for run in self._runs_in(*_OPEN)]
            step = max([at - self._now for at in instants if at > self._now], default=0 * SECOND)
        self._set_clock(-min(step, 10 * SECOND) if what == "back" else step)

    def _set_clock(self, by: timedelta) -> None:
        self.world.clock.time += by
        self.accounted = min(self.accounted, self._now)
        self.latest = max(self.latest, self.world.clock.time)

    def _go_before_the_next_instant(self, before: timedelta) -> None:
        jobs = [self.world.run(self._job(job_id)) for job_id in self.jobs]
        due = [job.wake_at for job in jobs if job.wake_at is not None and job.wake_at - before > self._now]
        if due:
            self._set_clock(min(due) - before - self._now)

    def _poll(self, pick: int) -> None:
        before, now = self._runs_in(*RunStatus), self.clocks[pick % 2].now()
        known, busy = {run.id for run in before}, {run.job_id for run in before if run.active}
        for _ in range(20):
            if not self.world.run(self.schedulers[pick % 2].step()):
                break
        self.accounted = min(self._now, now)
        for run in self._runs_in(*RunStatus):
            if run.id not in known and run.created_at > now:
                assert run.created_at <= now + LONGEST_LEAD
                assert run.status is RunStatus.DISPATCHED, "only what nothing can change is decided ahead"
                assert run.job_id not in busy

    def _deliver(self, pick: int, *, again: bool) -> None:
        """An executor receives a message, maybe once more, and records the start."""
        waiting = self.messages.waiting
        if not waiting:
            return
        message = waiting[pick % len(waiting)]
        if not again:
            waiting.remove(message)
        run = self._command(message.id, StartAttempt(message.dispatch, f"executor {pick % 2}", LEASE, self._now))
        if run is not None and run.status is RunStatus.RUNNING:
            assert run.started_at is not None
            was_set_back = run.created_at > run.started_at + LONGEST_LOOK_AHEAD  # the clock, since the decision
            assert was_set_back or run.started_at >= run.created_at, "no attempt begins before its instant"

    def _end(self, what: str, pick: int) -> None:
        """A task ends after its instant; by the clock of an executor that is ahead, before it."""
        running = self._runs_in(RunStatus.RUNNING)
        if what != "succeed early":
            running = [run for run in running if run.created_at <= self._now]
        if running:
            run, now = running[pick % len(running)], self._now
            end = FailAttempt(run.attempt, "boom", now, 0.5) if what == "fail" else Succeed(run.attempt, None, now)
            self._command(run.id, end)

    def _wake(self) -> None:
        """A scheduler finds the runs that are due: lost messages, ended leases, retries."""
        for run in self._runs_in(*_OPEN):
            if run.wake_at is not None and run.wake_at <= self._now:
                woken = self._command(run.id, WakeRun(self._now, 0.5, LEASE))
                if woken is not None and woken.status is RunStatus.DISPATCHED:
                    self.messages.waiting.append(woken)

    def _cancel(self, pick: int) -> None:
        runs = self._runs_in(*_OPEN)
        if not runs:
            return
        run = self._command(runs[pick % len(runs)].id, CancelRun("enough", self._now))
        assert run is None or run.status in {RunStatus.CANCELLED, RunStatus.RUNNING}

    def _command(self, run_id: UUID, command: RunCommand) -> Run | None:
        (result,) = self.world.run(handle_runs(self.world.pool, [RunWork(run_id, command)], ACTOR))
        assert result.error is None or isinstance(result.error, CommandRejected)
        return result.run

    def _change_job(self, act: str, job_id: UUID, data: st.DataObject) -> None:
        context = DecisionContext(now=self._now, misfire=MISFIRE, look_again_after=LEASE, dispatch=0)
        changed = data.draw(policies) if act == "change" else {}
        job = self.world.run(self._job(job_id))
        commands: dict[str, Callable[[], JobCommand]] = {
            "pause": lambda: PauseJob("wait", context),
            "hold": lambda: PauseJob("stop the bleeding", context, hold=True),
            "resume": lambda: ResumeJob(None, self._now),
            "change": lambda: ChangeJob(replace(job.definition, **changed), context, run_exists=True),
            "trigger": lambda: TriggerRun(self._id(), Overlap.BUFFER_ALL, context),
            "delete": lambda: DeleteJob(self._now),
        }
        if job.status is JobStatus.DELETED:
            return
        try:
            self.world.run(handle_job(self.world.pool, job_id, commands[act](), ACTOR))
        except CommandRejected:
            assert act in {"pause", "hold", "resume"}
            return
        self._must_have_waited(act, job_id)

    def _must_have_waited(self, act: str, job_id: UUID) -> None:
        """What a client was answered holds: nothing decided before begins after it, and nothing that was cancelled."""
        active = self.world.run(self._active(job_id))
        before = [run for run in active if run.status in _OPEN]
        if act in WAITING:
            assert decided_ahead(before, self._now) is None
        if act == "delete":
            assert started_ahead(before, self._now) is None
            assert all(run.status is RunStatus.RUNNING for run in active)

    async def _active(self, job_id: UUID) -> Sequence[Run]:
        async with acquire(self.world.pool) as db:
            return (await load_active_runs(db, [job_id])).get(job_id, [])

    async def _job(self, job_id: UUID) -> Job:
        async with acquire(self.world.pool) as db:
            return (await load_jobs(db, [job_id]))[job_id]

    def _runs_in(self, *statuses: RunStatus) -> list[Run]:
        return [run_of(row) for row in self.world.run(self.world.pool.fetch(_RUNS, self.jobs, list(statuses)))]

    @invariant()
    def the_log_is_sound(self) -> None:
        self._verify(due_before=self.accounted)

    def _verify(self, due_before: Any) -> None:
        recorded = self.world.run(check_invariants(self.world.pool, set(self.jobs))).events
        for job_id in self.jobs:
            assert list(check_job([item for item in recorded if item.job_id == job_id], due_before)) == []

    def teardown(self) -> None:
        """Once the clock is beyond all it ever showed, everything is accounted for."""
        if not self.jobs:
            return
        self.world.clock.time = self.latest + MINUTE
        self._poll(0)
        self._verify(due_before=self.latest)
        assert self.world.run(rebuild(self.world.pool)).replaced == 0


@pytest.fixture
def world(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A crowd is two jobs, of which one is decided in a second. A command that waits moves the clock.

    An executor knows its task as a short one. Both schedulers live: each may send one run early.
    """
    monkeypatch.setattr(crowds, "_LEAST", 2)
    monkeypatch.setattr(crowds, "_PER_SECOND", 1)
    monkeypatch.setattr(early_runs, "_FOR_EACH_SLOT", HELD_FOR_EACH_SLOT)
    world = World(postgres_url, look_ahead=AHEAD, misfire=MISFIRE)
    world.run(world.pool.execute(_SHORT, SLOTS))
    world.run(world.pool.execute(_SCHEDULERS))

    async def sleep(seconds: float) -> None:
        world.clock.time += seconds * SECOND

    monkeypatch.setattr(job_handling, "asyncio", SimpleNamespace(sleep=sleep))
    yield world
    world.close()


def test_what_is_decided_ahead_keeps_the_log_and_the_answers(world: World) -> None:
    examples: list[Messages] = []
    run_state_machine(Machine, examples=15, steps=40, world=world, seen=examples)
    assert sum(messages.early for messages in examples) > 0
