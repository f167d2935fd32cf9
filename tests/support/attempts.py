"""Attempts in the test's own process: the tasks are executed, their outcomes are recorded in memory."""

import asyncio
from collections.abc import Container, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from duebook.tasks import Registry, Task
from duebook_common.domain.run.commands import RunCommand, StartAttempt
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.evolve import evolve, opened
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Clock
from duebook_common.store.run_handling import CommandResult
from duebook_executor.attempt import Attempt
from duebook_executor.attempts import Attempts
from duebook_executor.notes import Notes
from duebook_executor.queries import Assignment
from duebook_executor.recorder import AttemptRecorder, EndedAttempt
from duebook_executor.slots import Slots
from support.executions import Function
from support.samples import DAY, MINUTE, NOW, a_definition, a_dispatch

EXECUTOR = "executor test"


class MemoryRecorder:
    """Decides commands on runs in memory. `commands` has the outcomes; a run in `refused` is locked elsewhere."""

    def __init__(self) -> None:
        self.commands: list[RunCommand] = []
        self.refused: set[UUID] = set()
        self.executor = EXECUTOR

    async def start(
        self, assignments: Sequence[Assignment], unlocked: Container[UUID] = frozenset()
    ) -> list[CommandResult | None]:
        refused = {run_id for run_id in self.refused if run_id not in unlocked}
        return [None if item.run.id in refused else self._start(item.run) for item in assignments]

    async def end(self, outcomes: Sequence[EndedAttempt]) -> list[CommandResult]:
        self.commands += [outcome.command for outcome in outcomes]
        return [handled(outcome.attempt.run, outcome.command) for outcome in outcomes]

    def _start(self, run: Run) -> CommandResult:
        return handled(run, StartAttempt(run.dispatch, self.executor, MINUTE, NOW))


def handled(run: Run, command: RunCommand) -> CommandResult:
    events = decide(run, command)
    for event in events:
        run = evolve(run, event)
    return CommandResult(run, events)


def an_assignment(**fields: Any) -> Assignment:
    """A run that is due, of a job so defined."""
    fields = {"task": "t", **fields}
    return Assignment(opened(uuid4(), a_dispatch(**fields)), a_definition(**fields), None)


def an_attempt() -> Attempt:
    """An attempt without any work."""
    assignment = an_assignment()
    return Attempt(assignment.run, assignment, 0.0, Notes(assignment.run, lambda: NOW))


def attempts_with(
    recorder: MemoryRecorder, function: Function, *, inline: bool = True, max_timeout: timedelta = DAY, slots: int = 100
) -> Attempts:
    """An executor whose only task is this function, executed in the test's own event loop if `inline`."""
    registry = Registry([Task.of("t", function, inline=inline)])
    return Attempts(cast(AttemptRecorder, recorder), Clock(), registry, EXECUTOR, max_timeout, Slots(slots))


async def started(attempts: Attempts, assignment: Assignment) -> Attempt:
    (attempt,) = await attempts.start([assignment])
    assert isinstance(attempt, Attempt)
    await asyncio.sleep(0)  # its task enters the work
    return attempt
