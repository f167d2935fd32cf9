"""The books stay right whatever meets a run between its decision and the instant at which it is due."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from duebook_common.domain.definition import Every, Overlap
from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.job.ahead import awaited_instant, decision_time
from duebook_common.domain.job.commands import (
    ChangeJob,
    DeleteJob,
    Dispatch,
    JobCommand,
    PauseJob,
    ResumeJob,
    TriggerRun,
)
from duebook_common.domain.job.state import JobStatus
from duebook_common.domain.run.commands import CancelRun, DeferRun, ReleaseAttempt, RunCommand, StartAttempt, Succeed
from duebook_common.domain.run.events import AttemptStarted, FirstEvent, RunFact
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.run.state import RunStatus
from duebook_common.integrity.verify_limits import check_overlap
from duebook_common.integrity.verify_run import check_run
from duebook_common.integrity.verify_schedule import check_schedule
from duebook_common.store.replay import moving_job
from support.lives import new_life
from support.recorded import recorded
from support.samples import JOB_ID, MINUTE, NOW, SECOND, a_definition, context

LOOK_AHEAD = timedelta(seconds=2)
_STEPS = st.sampled_from([timedelta(milliseconds=each) for each in (1, 100, 700, 1_500, 5_000)])
_SKEW = timedelta(milliseconds=50)
_SKEWS = st.sampled_from([timedelta(milliseconds=-900), -_SKEW, timedelta(0), _SKEW])


class LookAhead(RuleBasedStateMachine):
    """One job, schedulers that look ahead, executors whose clocks differ, and clients."""

    @initialize(
        recurrence=st.sampled_from(["none", Every(3 * SECOND)]),
        overlap=st.sampled_from(Overlap),
        most=st.none() | st.integers(1, 3),
    )
    def create(self, recurrence: Any, overlap: Overlap, most: int | None) -> None:
        definition = a_definition(scheduled_at=NOW + SECOND, recurrence=recurrence, overlap=overlap, max_runs=most)
        self.life = new_life(definition, NOW)

    def _do(self, command: JobCommand) -> None:
        """As `handle_job` does: wait for the instant where the command has to, then decide no earlier than that."""
        life = self.life
        if (wait := awaited_instant(command, life.active)) is not None:
            life.wait(wait.instant - life.now)
            if isinstance(command, DeleteJob | ResumeJob):
                command = replace(command, now=life.now)
            elif isinstance(command, PauseJob | ChangeJob):
                command = replace(command, context=life.context())
        assert awaited_instant(command, life.active) is None
        with suppress(CommandRejected):
            life.do(command)

    @rule(time=_STEPS)
    def time_passes(self, time: timedelta) -> None:
        self.life.wait(time)

    @rule()
    def poll(self) -> None:
        """Two schedulers: the second finds nothing left to decide."""
        life = self.life
        for _ in range(2):
            now = decision_time(life.job, life.active, life.context(dispatch=1))
            if now is not None and now <= life.now + LOOK_AHEAD:
                life.do(Dispatch(context(now, misfire=life.misfire, dispatch=1)))

    @rule()
    def pause(self) -> None:
        self._do(PauseJob(None, self.life.context()))

    @rule()
    def resume(self) -> None:
        self._do(ResumeJob(None, self.life.now))

    @rule(moved=st.booleans())
    def change(self, moved: bool) -> None:
        life, before = self.life, self.life.job.definition
        other = replace(before, name="other") if not moved else replace(before, scheduled_at=life.now + 4 * SECOND)
        self._do(ChangeJob(other, life.context(), run_exists=run_id_at(JOB_ID, other.scheduled_at) in life.runs))

    @rule()
    def delete(self) -> None:
        self._do(DeleteJob(self.life.now))

    @rule(overlap=st.sampled_from(Overlap))
    def trigger(self, overlap: Overlap) -> None:
        self._do(TriggerRun(UUID(int=len(self.life.runs)), overlap, self.life.context()))

    def _command_runs(self, make: Any, skew: timedelta) -> None:
        """A command for each active run, by a clock that differs, or is late or repeated."""
        for run in self.life.active:
            command: RunCommand = make(run, self.life.now + skew)
            with suppress(CommandRejected):
                self.life._command(run.id, command)

    @rule(skew=_SKEWS)
    def messages_arrive(self, skew: timedelta) -> None:
        self._command_runs(lambda run, now: StartAttempt(run.dispatch, "executor", MINUTE, now), skew)

    @rule(skew=_SKEWS)
    def stale_messages_arrive(self, skew: timedelta) -> None:
        self._command_runs(lambda run, now: StartAttempt(run.dispatch + 1, "executor", MINUTE, now), skew)

    @rule(skew=_SKEWS)
    def the_queue_is_paused(self, skew: timedelta) -> None:
        self._command_runs(lambda run, now: DeferRun(run.dispatch, "executor", now, 0, queue_paused=True), skew)

    @rule(skew=_SKEWS)
    def cancel(self, skew: timedelta) -> None:
        self._command_runs(lambda _, now: CancelRun(None, now), skew)

    @rule(skew=_SKEWS)
    def executors_stop(self, skew: timedelta) -> None:
        self._command_runs(lambda run, now: ReleaseAttempt(run.attempt, now), skew)

    @rule()
    def tasks_end(self) -> None:
        """Those that have begun."""
        for run in self.life.active:
            if run.status is RunStatus.RUNNING and run.started_at is not None and run.started_at <= self.life.now:
                self.life._command(run.id, Succeed(run.attempt, None, self.life.now))

    @invariant()
    def nothing_starts_after_an_answer(self) -> None:
        life = self.life
        if life.job.status in {JobStatus.DELETED, JobStatus.PAUSED}:
            latest = max(life.job.updated_at, life.now) + _SKEW  # by the clock of an executor
            assert all(run.started_at is None or run.started_at <= latest for run in life.active)

    @invariant()
    def verify_finds_no_breach(self) -> None:
        life, streams = self.life, dict[UUID, list[Any]]()
        for fact in life.history:
            if isinstance(fact, RunFact):
                streams.setdefault(fact.run_id, []).append(fact.event)
        log = recorded(life.history)
        breaches = [*check_schedule(moving_job(log), life.now - MINUTE), *check_overlap(log)]
        for run_id, events in streams.items():
            breaches += check_run(f"run-{run_id}", events)
            first = events[0]
            assert isinstance(first, FirstEvent)
            starts = [event for event in events if isinstance(event, AttemptStarted)]
            assert all(start.at >= first.due_at for start in starts), "none starts early"
        assert breaches == []


TestLookAhead = LookAhead.TestCase
TestLookAhead.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
