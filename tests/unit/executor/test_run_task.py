"""Whatever a task does, its attempt gets an answer, and nobody else notices."""

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel

from duebook.tasks import Context, Fail, RetryAfter, Task
from duebook_executor import task_loop
from duebook_executor.run_task import TaskFailure, TaskOutcome, TaskSuccess, execute
from duebook_executor.task_loop import TaskLoop

PATIENT, SHORT = timedelta(seconds=10), timedelta(seconds=0.05)
CONTEXT = Context(
    run_id=UUID(int=1),
    job_id=UUID(int=2),
    attempt=3,
    nominal_at=datetime(2026, 1, 1, tzinfo=UTC),
    idempotency_key="k",
)
Function = Callable[..., Any]


class Release:
    """Lets go, at the end of a test, of whatever a task still holds."""

    def __init__(self) -> None:
        self.blocked = threading.Event()
        self.cancelled = threading.Event()
        self.ended = threading.Event()


@pytest.fixture
async def loop() -> AsyncIterator[TaskLoop]:
    loop = TaskLoop()
    yield loop
    await end(loop._current.loop)


async def end(loop: asyncio.AbstractEventLoop) -> None:
    """In a process a loop of tasks lasts for ever; here it must leave nothing behind."""
    loop.call_soon_threadsafe(loop.stop)
    while loop.is_running():
        await asyncio.sleep(0)
    loop.close()


async def run_task(
    loop: TaskLoop, function: Function, payload: Any = None, timeout: timedelta = PATIENT, *, inline: bool = False
) -> TaskOutcome:
    async with asyncio.timeout(20):
        return await execute(Task.of("t", function, inline=inline), payload, CONTEXT, timeout, loop)


async def until(event: threading.Event) -> None:
    """Wait for a fact in another thread, without holding up this one's loop."""
    assert await asyncio.to_thread(event.wait, 10)


def both(body: Callable[[], Any]) -> list[Function]:
    """The same work as `async def` and as `def`."""

    async def asynchronous() -> Any:
        return body()

    def plain() -> Any:
        return body()

    return [asynchronous, plain]


def raising(error: BaseException) -> Callable[[], Any]:
    def body() -> Any:
        raise error

    return body


# What a task returns


async def test_a_task_gets_its_payload_and_its_context(loop: TaskLoop) -> None:
    async def asynchronous(payload: Any, context: Context) -> Any:
        return [payload, context.attempt, context.idempotency_key]

    def plain(payload: Any, context: Context) -> Any:
        return [payload, context.attempt, context.idempotency_key]

    for function in (asynchronous, plain):
        assert await run_task(loop, function, {"a": 1}) == TaskSuccess([{"a": 1}, 3, "k"])


async def test_tasks_run_away_from_the_executors_own_thread(loop: TaskLoop) -> None:
    for function in both(lambda: threading.current_thread() is threading.main_thread()):
        assert await run_task(loop, function) == TaskSuccess(result=False)

    async def inline() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert await run_task(loop, inline, inline=True) == TaskSuccess(result=True)


async def test_a_result_is_kept_as_the_json_that_it_is(loop: TaskLoop) -> None:
    results = [
        (None, None),
        ((1, "ü"), [1, "ü"]),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, {"at": "2026-01-01T00:00:00+00:00"}),
        (UUID(int=1), str(UUID(int=1))),
        (float("nan"), None),
    ]
    for returned, kept in results:
        for function in both(lambda value=returned: value):  # type: ignore[misc]
            assert await run_task(loop, function) == TaskSuccess(kept)


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (object(), "a value that JSON cannot hold"),
        ({1: 2}, "a value that JSON cannot hold"),
        (2**64, "a value that JSON cannot hold"),
        ("\ud800", "a value that JSON cannot hold"),
        ("a\0b", "a value that JSON cannot hold: a NUL"),
        ("x" * 300_000, "300002 bytes of JSON; the limit is 262144"),
    ],
    ids=["object", "number as key", "huge number", "half a character", "NUL", "large"],
)
async def test_a_result_that_cannot_be_kept_fails_for_good(loop: TaskLoop, result: Any, says: str) -> None:
    """To repeat the work would not change it."""
    for function in both(lambda: result):
        answer = await run_task(loop, function)
        assert isinstance(answer, TaskFailure)
        assert says in answer.error
        assert not answer.retry


async def test_a_result_of_the_largest_size_is_kept(loop: TaskLoop) -> None:
    async def large() -> str:
        return "x" * (256 * 1024 - 2)

    assert isinstance(await run_task(loop, large), TaskSuccess)


# What a task raises


class Mute(Exception):
    def __str__(self) -> str:
        raise OSError


class Endless(Exception):
    def __str__(self) -> str:
        return "x" * 10_000


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (ValueError("boom"), TaskFailure("ValueError: boom")),
        (ValueError(), TaskFailure("ValueError")),
        (KeyError("x"), TaskFailure("KeyError: 'x'")),
        (TimeoutError(), TaskFailure("TimeoutError")),
        (Fail("no such region"), TaskFailure("no such region")),
        (Fail("no such region", retry=False), TaskFailure("no such region", retry=False)),
        (Fail(""), TaskFailure("no message")),
        (RetryAfter(90), TaskFailure("asked to be tried again after 90 s", delay=timedelta(seconds=90))),
        (RetryAfter(timedelta(0), "busy"), TaskFailure("busy", delay=timedelta(0))),
        (SystemExit(3), TaskFailure("SystemExit: 3")),
        (KeyboardInterrupt(), TaskFailure("KeyboardInterrupt")),
        (GeneratorExit(), TaskFailure("GeneratorExit")),
        (BaseException("odd"), TaskFailure("BaseException: odd")),
        (BaseExceptionGroup("g", [SystemExit(1)]), TaskFailure("BaseExceptionGroup: g (1 sub-exception)")),
        (ValueError("a\0b \ud800"), TaskFailure("ValueError: a\ufffdb ?")),
        (Mute(), TaskFailure("Mute: its message cannot be read")),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_whatever_a_task_raises_becomes_an_answer(
    loop: TaskLoop, error: BaseException, answer: TaskFailure
) -> None:
    for function in both(raising(error)):
        assert await run_task(loop, function) == answer
    assert await run_task(loop, both(lambda: 1)[0]) == TaskSuccess(1)  # the loop of the tasks goes on


async def test_an_iterator_that_is_at_its_end_is_an_error_like_any_other(loop: TaskLoop) -> None:
    """It cannot be put into a future: a task that raised it hung until its timeout."""
    asynchronous, plain = both(lambda: next(iter([])))
    assert await run_task(loop, plain) == TaskFailure("StopIteration")
    answer = await run_task(loop, asynchronous)
    assert isinstance(answer, TaskFailure)
    assert "StopIteration" in answer.error


async def test_an_error_without_end_is_cut(loop: TaskLoop) -> None:
    for function in both(raising(Endless())):
        answer = await run_task(loop, function)
        assert isinstance(answer, TaskFailure)
        assert len(answer.error) == 4000


async def test_a_task_that_says_that_it_was_cancelled_has_failed(loop: TaskLoop) -> None:
    for error in (asyncio.CancelledError(), concurrent.futures.CancelledError()):
        for function in both(raising(error)):
            answer = await run_task(loop, function)
            assert isinstance(answer, TaskFailure)
            assert "Cancelled" in answer.error
            assert answer.retry


async def test_a_task_that_cancels_itself_has_failed(loop: TaskLoop) -> None:
    async def weary() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    assert isinstance(await run_task(loop, weary), TaskFailure)


async def test_what_our_own_tasks_raise_is_an_answer_too(loop: TaskLoop) -> None:
    for error, answer in (
        (ValueError("boom"), TaskFailure("ValueError: boom")),
        (TimeoutError("theirs"), TaskFailure("TimeoutError: theirs")),
        (Fail("no", retry=False), TaskFailure("no", retry=False)),
    ):
        assert await run_task(loop, both(raising(error))[0], inline=True) == answer


# Payloads


class Region(BaseModel):
    region: str


def _leave(_: str) -> str:
    sys.exit(1)


class Leaving(BaseModel):
    region: Annotated[str, AfterValidator(_leave)]


async def test_a_payload_that_does_not_fit_fails_for_good(loop: TaskLoop) -> None:
    async def report(region: Region) -> str:
        return region.region

    assert await run_task(loop, report, {"region": "eu"}) == TaskSuccess("eu")
    answer = await run_task(loop, report, {"region": 7})
    assert isinstance(answer, TaskFailure)
    assert "/region" in answer.error
    assert not answer.retry


async def test_a_validator_that_wants_to_end_the_process_fails_its_attempt(loop: TaskLoop) -> None:
    async def report(region: Leaving) -> str:
        return region.region

    assert await run_task(loop, report, {"region": "eu"}) == TaskFailure("SystemExit: 1")


# Timeouts


async def test_a_task_that_takes_too_long_is_cancelled(loop: TaskLoop) -> None:
    release = Release()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            release.cancelled.set()

    assert await run_task(loop, slow, timeout=SHORT) == TaskFailure("timed out after 0.05 s")
    await until(release.cancelled)


async def test_our_own_tasks_have_their_timeout_too(loop: TaskLoop) -> None:
    async def slow() -> None:
        await asyncio.Event().wait()

    assert await run_task(loop, slow, timeout=SHORT, inline=True) == TaskFailure("timed out after 0.05 s")


async def test_a_plain_task_that_takes_too_long_is_left_behind(loop: TaskLoop) -> None:
    release = Release()

    def slow() -> None:
        release.blocked.wait(10)
        release.ended.set()

    assert await run_task(loop, slow, timeout=SHORT) == TaskFailure("timed out after 0.05 s")
    assert await run_task(loop, both(lambda: 1)[1]) == TaskSuccess(1)
    release.blocked.set()
    await until(release.ended)


async def test_a_task_that_swallows_its_cancellation_is_left_behind(loop: TaskLoop) -> None:
    release = Release()

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            release.cancelled.set()
        await asyncio.to_thread(release.blocked.wait, 10)
        release.ended.set()
        return "done after all"

    assert await run_task(loop, stubborn, timeout=SHORT) == TaskFailure("timed out after 0.05 s")
    await until(release.cancelled)
    release.blocked.set()
    await until(release.ended)


async def test_a_task_that_blocks_its_loop_neither_escapes_its_timeout_nor_stops_later_ones(
    loop: TaskLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_loop, "_BLOCKED_SECONDS", 0.01)
    release, begun = Release(), threading.Event()

    async def blocking() -> None:
        begun.set()
        release.blocked.wait(10)

    blocked = loop._current
    assert await run_task(loop, blocking, timeout=SHORT) == TaskFailure("timed out after 0.05 s")
    await until(begun)
    while loop._current is blocked:
        loop.replace_if_blocked()
        await asyncio.sleep(0.005)
    assert await run_task(loop, both(lambda: 1)[0]) == TaskSuccess(1)
    release.blocked.set()
    await end(blocked.loop)


async def test_a_loop_that_answers_is_kept(loop: TaskLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_loop, "_BLOCKED_SECONDS", 10)
    before = loop._current
    for _ in range(20):
        loop.replace_if_blocked()
        assert await run_task(loop, both(lambda: 1)[0]) == TaskSuccess(1)
    assert loop._current is before


# Our own cancellation


@pytest.mark.parametrize("stubborn", [False, True])
async def test_an_attempt_that_is_stopped_stops_its_task(loop: TaskLoop, stubborn: bool) -> None:
    release, begun = Release(), threading.Event()

    async def slow() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            release.cancelled.set()
            if not stubborn:
                raise

    attempt = asyncio.create_task(run_task(loop, slow))
    await until(begun)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    await until(release.cancelled)


async def test_a_plain_task_of_a_stopped_attempt_is_left_behind(loop: TaskLoop) -> None:
    release, begun = Release(), threading.Event()

    def slow() -> None:
        begun.set()
        release.blocked.wait(10)
        release.ended.set()

    attempt = asyncio.create_task(run_task(loop, slow))
    await until(begun)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    release.blocked.set()
    await until(release.ended)


async def test_many_tasks_run_at_once(loop: TaskLoop) -> None:
    together = threading.Barrier(20, timeout=10)
    answers = await asyncio.gather(*(run_task(loop, both(lambda: together.wait() >= 0)[1]) for _ in range(20)))
    assert answers == [TaskSuccess(result=True)] * 20
