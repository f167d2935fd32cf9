"""An attempt ends with the command that fits: by its task's outcome, or by what interrupted it."""

import asyncio
import re
import threading
from datetime import timedelta

import pytest

from duebook.context import Context
from duebook.errors import Fail
from duebook_common.domain.run.commands import ConfirmCancel, FailAttempt, ReleaseAttempt, Succeed
from duebook_common.domain.run.state import RunStatus
from duebook_executor.attempt import Attempt, AttemptState
from support.attempts import MemoryRecorder, an_assignment, attempts_with, started

RESULT = {"rows": 3}


async def succeed() -> dict[str, int]:
    return RESULT


async def fail() -> None:
    raise Fail("no such region", retry=False)


async def endless() -> None:
    await asyncio.Event().wait()


async def test_the_outcome_of_its_task_is_recorded() -> None:
    recorder = MemoryRecorder()
    attempt = await started(attempts_with(recorder, succeed), an_assignment())
    run = await attempt.work
    (command,) = recorder.commands
    assert isinstance(command, Succeed)
    assert command.result == RESULT
    assert run is not None
    assert run.status is RunStatus.SUCCEEDED


async def test_a_failure_is_recorded_with_what_the_task_says_of_a_retry() -> None:
    recorder = MemoryRecorder()
    attempt = await started(attempts_with(recorder, fail), an_assignment())
    await attempt.work
    (command,) = recorder.commands
    assert isinstance(command, FailAttempt)
    assert (command.error, command.retry) == ("no such region", False)


def test_an_executor_knows_which_tasks_it_has() -> None:
    attempts = attempts_with(MemoryRecorder(), succeed)
    assert [attempts.has_task(name) for name in ("t", "unknown")] == [True, False]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (AttemptState.CANCELLING, ConfirmCancel),
        (AttemptState.LOST, ConfirmCancel),
        (AttemptState.RELEASING, ReleaseAttempt),
    ],
)
async def test_an_interrupted_attempt_records_why(state: AttemptState, expected: type) -> None:
    recorder = MemoryRecorder()
    attempts = attempts_with(recorder, endless)
    attempt = await started(attempts, an_assignment())
    attempt.interrupt(state)
    await attempt.work
    assert [type(command) for command in recorder.commands] == [expected]
    assert attempts.running == {}


async def test_a_cancelled_plain_task_that_goes_on_is_recorded_as_given_up() -> None:
    recorder, entered, may_end = MemoryRecorder(), threading.Event(), threading.Event()
    contexts: list[Context] = []

    def deaf(_: object, context: Context) -> None:
        contexts.append(context)
        entered.set()
        may_end.wait(30)

    attempts = attempts_with(recorder, deaf, inline=False)
    attempt = await started(attempts, an_assignment(timeout=timedelta(hours=1)))
    assert await asyncio.to_thread(entered.wait, 30)
    assert (contexts[0].cancelled, contexts[0].deadline is not None) == (False, True)
    attempt.interrupt(AttemptState.CANCELLING)
    await attempt.work
    (command,) = recorder.commands
    assert isinstance(command, ConfirmCancel)
    assert (command.given_up, contexts[0].cancelled) == (True, True)
    may_end.set()


async def test_a_cancellation_from_elsewhere_records_nothing() -> None:
    recorder = MemoryRecorder()
    attempts = attempts_with(recorder, endless)
    attempt = await started(attempts, an_assignment())
    attempt.work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt.work
    assert recorder.commands == []
    assert attempts.running == {}


async def test_no_attempt_starts_of_a_run_that_another_executor_has() -> None:
    recorder = MemoryRecorder()
    attempts, locked = attempts_with(recorder, succeed), an_assignment()
    recorder.refused = {locked.run.id}
    first, second = await attempts.start([locked, an_assignment()])
    assert first is None
    assert isinstance(second, Attempt)
    await second.work
    recorder.executor = "another executor"  # it started the attempt before us
    assert await attempts.start([an_assignment()]) == [None]
    assert attempts.running == {}


async def test_an_attempt_is_known_by_its_run_until_it_has_ended() -> None:
    attempts = attempts_with(MemoryRecorder(), succeed)
    attempt = await started(attempts, an_assignment())
    assert attempts.running == {attempt.run.id: attempt}
    await attempt.work
    assert attempts.running == {}


async def test_a_drain_waits_for_attempts() -> None:
    recorder, gate = MemoryRecorder(), asyncio.Event()

    async def wait_at_gate() -> None:
        await gate.wait()

    attempts = attempts_with(recorder, wait_at_gate)
    await started(attempts, an_assignment())
    asyncio.get_running_loop().call_soon(gate.set)
    await attempts.drain(timedelta(hours=1))
    assert [type(command) for command in recorder.commands] == [Succeed]
    assert attempts.running == {}


async def test_a_drain_releases_the_attempts_that_go_on_after_its_grace() -> None:
    recorder = MemoryRecorder()
    attempts = attempts_with(recorder, endless)
    await started(attempts, an_assignment())
    await attempts.drain(timedelta(seconds=0.01))
    assert [type(command) for command in recorder.commands] == [ReleaseAttempt]
    assert attempts.running == {}


async def test_a_drain_without_attempts_ends_at_once() -> None:
    async with asyncio.timeout(30):
        await attempts_with(MemoryRecorder(), succeed).drain(timedelta(hours=1))


async def test_a_task_learns_about_its_attempt() -> None:
    contexts: list[Context] = []

    async def remember(_: object, context: Context) -> None:
        context.log("a line")
        contexts.append(context)

    attempt = await started(attempts_with(MemoryRecorder(), remember), an_assignment())
    await attempt.work
    (context,) = contexts
    assert (context.run_id, context.job_id, context.attempt) == (attempt.run.id, attempt.run.job_id, 1)
    assert context.idempotency_key == str(attempt.run.id)
    assert [line.message for line in attempt.notes.lines] == ["a line"]
    assert re.fullmatch(rf"00-{attempt.run.id.hex}-[0-9a-f]{{16}}-01", context.headers["traceparent"])


async def test_no_attempt_takes_longer_than_the_executor_allows() -> None:
    recorder = MemoryRecorder()
    attempts = attempts_with(recorder, endless, max_timeout=timedelta(seconds=0.05))
    attempt = await started(attempts, an_assignment(timeout=timedelta(days=300)))
    await attempt.work
    (command,) = recorder.commands
    assert isinstance(command, FailAttempt)
    assert command.error == "timed out after 0.05 s"
