"""Attempts whose start was recorded ahead of their instant: in or without a slot, they begin at it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from duebook_common.domain.run.commands import ConfirmCancel, FailAttempt, ReleaseAttempt, StartAttempt, Succeed
from duebook_common.domain.run.evolve import opened
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.run_handling import CommandResult
from duebook_executor import attempts as attempts_module
from duebook_executor import slots as module
from duebook_executor.attempt import AttemptState
from duebook_executor.attempts import Attempts
from duebook_executor.queries import Assignment
from support.attempts import MemoryRecorder, attempts_with, handled, started
from support.samples import MINUTE, a_definition, a_dispatch

SHORTLY = timedelta(milliseconds=200)
FAR_AHEAD = timedelta(seconds=4)
LATER = timedelta(seconds=1)  # what comes before the instant in a test does so on a loaded machine too


class Recorder(MemoryRecorder):
    """Records starts by the wall clock."""

    def _start(self, run: Run) -> CommandResult:
        return handled(run, StartAttempt(run.dispatch, self.executor, MINUTE, datetime.now(UTC)))


class Executor:
    """An executor with one slot, which knows its only task as a short one. `began` has the times of its starts."""

    def __init__(self, **options: Any) -> None:
        self.recorder, self.began = Recorder(), list[datetime]()
        self.attempts: Attempts = attempts_with(self.recorder, self._task, slots=1, **options)
        self.attempts.slots.note_duration("t", 0.001)

    async def _task(self) -> None:
        self.began.append(datetime.now(UTC))

    async def start(self, instant: datetime, dispatch: int = 1, **of_run: Any) -> Any:
        """Start an attempt in the slot, as a delivery does."""
        async with asyncio.timeout(60):
            await self.attempts.slots.acquire()
        run = opened(uuid4(), a_dispatch(instant, task="t", **of_run))
        return await started(self.attempts, Assignment(replace(run, dispatch=dispatch), a_definition(task="t"), None))


async def test_attempts_that_wait_for_their_instant_share_a_slot() -> None:
    executor, instant = Executor(), datetime.now(UTC) + SHORTLY
    attempts = [await executor.start(instant) for _ in range(5)]
    await asyncio.gather(*(attempt.work for attempt in attempts))
    assert len(executor.began) == 5
    assert min(executor.began) >= instant
    assert [type(command) for command in executor.recorder.commands] == [Succeed] * 5
    await executor.attempts.slots.acquire()


async def test_an_attempt_without_a_slot_after_its_instant_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_WAIT_SECONDS", 0.01)
    executor = Executor()
    attempt = await executor.start(datetime.now(UTC) + LATER)
    await executor.attempts.slots.acquire()  # a longer attempt has it
    await attempt.work
    assert [type(command) for command in executor.recorder.commands] == [ReleaseAttempt]
    assert executor.began == []


async def test_the_delay_of_a_start_includes_the_wait_for_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_WAIT_SECONDS", 20)
    executor, instant = Executor(), datetime.now(UTC) + LATER
    attempt = await executor.start(instant, queue="measured")
    await executor.attempts.slots.acquire()
    await asyncio.sleep(LATER.total_seconds() + 0.1)
    executor.attempts.slots.release()
    await attempt.work
    assert [type(command) for command in executor.recorder.commands] == [Succeed]
    assert (REGISTRY.get_sample_value("duebook_schedule_to_start_seconds_sum", {"queue": "measured"}) or 0) >= 0.05


async def test_an_attempt_that_has_to_start_within_a_time_keeps_its_slot() -> None:
    executor, instant = Executor(), datetime.now(UTC) + SHORTLY
    attempt = await executor.start(instant, start_within=MINUTE)
    assert not attempt.held
    await attempt.work
    assert [type(command) for command in executor.recorder.commands] == [Succeed]


async def test_a_held_attempt_counts_with_its_payload_until_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_BYTES", 3)
    executor = Executor()
    attempt = await executor.start(datetime.now(UTC) + LATER)
    assert (attempt.held, attempt.held_bytes) == (True, len("{}"))
    assert not executor.attempts.slots.hold(attempt.run.task, 2)
    await attempt.work
    assert executor.attempts.slots.hold(attempt.run.task, 2)


@pytest.mark.parametrize("limit", ["HELD_BYTES", "HELD_FOR_EACH_SLOT"])
async def test_what_is_due_starts_while_a_crowd_exceeds_what_is_held(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """A scheduler sends a crowd seconds ahead, by the number of runs alone: it knows neither sizes nor schedulers."""
    monkeypatch.setattr(module, limit, 0)
    executor, instant = Executor(), datetime.now(UTC) + FAR_AHEAD
    crowd = [await executor.start(instant) for _ in range(3)]
    due = await executor.start(datetime.now(UTC) - MINUTE)
    ended = [await attempt.work for attempt in (due, *crowd)]
    assert datetime.now(UTC) < instant
    assert [type(command) for command in executor.recorder.commands] == [ReleaseAttempt] * 3 + [Succeed]
    assert len(executor.began) == 1
    assert {(run.status, run.wake_at, run.failures) for run in ended[1:]} == {(RunStatus.RETRYING, instant, 0)}


async def test_a_run_that_was_sent_again_keeps_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a scheduler whose clock is ahead would send it again and again until its instant."""
    monkeypatch.setattr(module, "HELD_BYTES", 0)
    executor, instant = Executor(), datetime.now(UTC) + LATER
    attempt = await executor.start(instant, dispatch=2)
    await attempt.work
    assert [type(command) for command in executor.recorder.commands] == [Succeed]
    assert min(executor.began) >= instant


@pytest.mark.parametrize("seconds", [None, 60.0])
async def test_a_task_that_no_scheduler_takes_for_short_keeps_its_slot(seconds: float | None) -> None:
    """By a long look-ahead such a run is sent as early on purpose."""
    executor, instant = Executor(), datetime.now(UTC) + LATER
    executor.attempts = attempts_with(executor.recorder, executor._task, slots=1)
    if seconds is not None:
        executor.attempts.slots.note_duration("t", seconds)
    attempt = await executor.start(instant)
    await attempt.work
    assert [type(command) for command in executor.recorder.commands] == [Succeed]


async def test_only_a_payload_that_may_be_held_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_FOR_EACH_SLOT", 0)
    monkeypatch.setattr(attempts_module, "dumps", lambda _: pytest.fail("its size decides nothing"))
    attempt = await Executor().start(datetime.now(UTC) + SHORTLY)
    await attempt.work


async def test_an_attempt_that_is_cancelled_before_its_instant_never_begins() -> None:
    executor = Executor()
    attempt = await executor.start(datetime.now(UTC) + LATER)
    attempt.interrupt(AttemptState.CANCELLING)
    await attempt.work
    assert [type(command) for command in executor.recorder.commands] == [ConfirmCancel]
    assert executor.began == []
    async with asyncio.timeout(60):
        await executor.attempts.slots.acquire()


async def test_an_attempt_releases_its_slot_before_its_outcome_is_recorded() -> None:
    executor, may_record = Executor(), asyncio.Event()
    record = executor.recorder.end

    async def end_later(outcomes: Any) -> Any:
        await may_record.wait()
        return await record(outcomes)

    executor.attempts = attempts_with(executor.recorder, executor._task, slots=1)
    executor.attempts._outcomes._process = end_later
    attempt = await executor.start(datetime.now(UTC) - MINUTE)
    async with asyncio.timeout(60):
        await executor.attempts.slots.acquire()
    assert not attempt.work.done()
    may_record.set()
    await attempt.work


async def test_a_failure_says_whether_its_message_is_gone() -> None:
    async def fail() -> None:
        raise ValueError("no")

    recorder = MemoryRecorder()
    attempts = attempts_with(recorder, fail)
    for acknowledged in (False, True):
        run = opened(uuid4(), a_dispatch(task="t"))
        (attempt,) = await attempts.start([Assignment(run, a_definition(task="t"), None)])
        attempt.acknowledged = acknowledged  # type: ignore[union-attr]
        await attempt.work  # type: ignore[union-attr]
    commands = [command for command in recorder.commands if isinstance(command, FailAttempt)]
    assert [command.acknowledged for command in commands] == [False, True]
