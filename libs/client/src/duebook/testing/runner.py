"""Running a task as an executor would: the same conversions, outcomes and timeouts, without any server."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal
from uuid import uuid4

from duebook.context import Context
from duebook.defaults import Backoff, Defaults
from duebook.durations import duration
from duebook.execution import Execution, GivenUp, await_task, call_task, follow, is_cancelled
from duebook.open_resources import OpenResources
from duebook.outcomes import TaskFailure, TaskOutcome, TaskSuccess
from duebook.resources import registered_resources
from duebook.tasks import Task, TaskFunction
from duebook.testing.clock import FakeClock
from duebook.testing.outcome import AttemptOutcome, RunOutcome
from duebook.testing.payloads import as_json
from duebook.testing.recording import RecordingSink

_GENERAL = Defaults(timeout=timedelta(minutes=5), max_retries=3, backoff=Backoff())
_STATUS: Mapping[type, Literal["succeeded", "failed", "cancelled"]] = {
    TaskSuccess: "succeeded",
    TaskFailure: "failed",
    type(None): "cancelled",
}
_CHANCE = 0.5  # neither longer nor shorter by the jitter


async def run_task(  # noqa: PLR0913 - what a job and an operator may decide
    task: TaskFunction[..., Any, Any],
    payload: Any = None,
    *,
    max_retries: int | None = None,
    backoff: Backoff | None = None,
    timeout: timedelta | float | None = None,
    resources: Mapping[Any, Any] | None = None,
    last_checkpoint: Any = None,
    nominal_at: datetime | None = None,
    cancel_after: float | None = None,
    clock: FakeClock | None = None,
) -> RunOutcome:
    """Run the task until it succeeds, is dead-lettered or is cancelled.

    The payload becomes JSON and is read by the task's type, and so does the result. What is not given has the default
    of the task, else that of jobs. Nothing sleeps between attempts: `clock` moves on by each delay.

    `timeout` (a timedelta, or seconds) and `cancel_after` (seconds, of the first attempt) pass in real time.
    `resources` are values by type, which replace what `@resource` would open. Raises ValueError for a payload that no
    API takes.
    """
    wanted = Defaults(None, duration(timeout), max_retries, backoff)
    run = _Run(task.task, as_json(payload), wanted, clock or FakeClock(), cancel_after, nominal_at)
    opened = OpenResources(registered_resources(), resources)
    try:
        return await run.finished(opened, last_checkpoint)
    finally:
        await opened.close()


def run_task_sync(task: TaskFunction[..., Any, Any], payload: Any = None, **options: Any) -> RunOutcome:
    """`run_task` for a test that is no coroutine; takes the same options."""
    return asyncio.run(run_task(task, payload, **options))


class _Run:
    """One run: attempts until it ends."""

    def __init__(
        self, task: Task, payload: Any, wanted: Defaults, clock: FakeClock, cancel_after: float | None,
        nominal_at: datetime | None,
    ) -> None:  # fmt: skip
        self._task, self._payload, self._clock, self._cancel_after = task, payload, clock, cancel_after
        self._run_id, self._job_id, self._nominal_at = uuid4(), uuid4(), nominal_at or clock.now()
        policy = _merged(wanted, _merged(task.defaults, _GENERAL))
        assert policy.timeout is not None
        assert policy.max_retries is not None
        assert policy.backoff is not None
        self._timeout, self._max_retries, self._backoff = policy.timeout, policy.max_retries, policy.backoff

    async def finished(self, resources: OpenResources, checkpoint: Any) -> RunOutcome:
        attempts: list[AttemptOutcome] = []
        for number in count(1):
            sink = RecordingSink()
            outcome, given_up = await self._outcome(self._context(number, checkpoint, sink), resources)
            checkpoint = next(reversed(sink.checkpoints), checkpoint)
            delay = self._delay(outcome, number)
            attempts.append(_attempt(number, self._clock.now(), outcome, delay, sink, given_up=given_up))
            if delay is None:
                break
            self._clock.advance(delay)
        status = attempts[-1].status
        result = outcome.result if isinstance(outcome, TaskSuccess) else None
        return RunOutcome("dead_lettered" if status == "failed" else status, result, attempts)

    def _context(self, number: int, checkpoint: Any, sink: RecordingSink) -> Context:
        return Context(
            run_id=self._run_id,
            job_id=self._job_id,
            attempt=number,
            nominal_at=self._nominal_at,
            idempotency_key=str(self._run_id),
            headers={"traceparent": f"00-{self._run_id.hex}-{number:016x}-01"},
            deadline=self._clock.now() + self._timeout,
            last_checkpoint=checkpoint,
            sink=sink,
        )

    async def _outcome(self, context: Context, resources: OpenResources) -> tuple[TaskOutcome | None, bool]:
        """The outcome, None if the attempt was cancelled; and whether the task was then given up."""
        working = asyncio.ensure_future(
            follow(self._task, self._start(context, resources), context, self._timeout, lambda _: None)
        )
        if self._cancel_after is not None and context.attempt == 1:
            asyncio.get_running_loop().call_later(self._cancel_after, working.cancel)
        try:
            return await working, False
        except asyncio.CancelledError as cancelled:
            if is_cancelled():  # the test itself
                raise
            return None, isinstance(cancelled, GivenUp)

    def _start(self, context: Context, resources: OpenResources) -> Execution:
        task, loop = self._task, asyncio.get_running_loop()
        if not task.is_async:
            return Execution.in_thread(
                lambda: call_task(task, self._payload, context, lambda: _values(resources, task.resources, loop))
            )
        execution = Execution()
        awaited = loop.create_task(await_task(task, self._payload, context, resources))
        awaited.add_done_callback(execution.finish)
        execution.cancel = awaited.cancel
        return execution

    def _delay(self, outcome: TaskOutcome | None, failures: int) -> timedelta | None:
        """The delay before the next attempt; None if none follows."""
        if not isinstance(outcome, TaskFailure) or not outcome.retry or failures > self._max_retries:
            return None
        return self._backoff.delay(failures, _CHANCE) if outcome.delay is None else outcome.delay


def _attempt(
    number: int,
    now: datetime,
    outcome: TaskOutcome | None,
    delay: timedelta | None,
    sink: RecordingSink,
    *,
    given_up: bool,
) -> AttemptOutcome:
    return AttemptOutcome(
        number=number,
        started_at=now,
        status=_STATUS[type(outcome)],
        error=outcome.error if isinstance(outcome, TaskFailure) else None,
        delay=delay,
        lines=sink.lines,
        progress=sink.reports,
        checkpoints=sink.checkpoints,
        given_up=given_up,
    )


def _values(resources: OpenResources, types: Collection[Any], loop: asyncio.AbstractEventLoop) -> Mapping[Any, Any]:
    """The resources, for a thread that waits until they are open."""
    return asyncio.run_coroutine_threadsafe(resources.get(types), loop).result()


def _merged(first: Defaults, then: Defaults) -> Defaults:
    """The first one's values, and the second one's where the first says nothing."""
    names = [each.name for each in fields(Defaults)]
    return Defaults(*(getattr(first if getattr(first, name) is not None else then, name) for name in names))
