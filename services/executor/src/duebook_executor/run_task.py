"""Carrying a task out: validate its payload, run it under its timeout, and put any end into words."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from duebook.tasks import Context, Fail, RetryAfter, Task
from duebook_common.store.codec import storable
from duebook_executor.task_loop import TaskLoop

_GIVE_UP_SECONDS = 0.5  # how long a cancelled task may take to notice
_LONGEST_ERROR = 4000
_LARGEST_RESULT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Done:
    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    error: str
    retry: bool = True
    delay: timedelta | None = None


async def carry_out(task: Task, payload: Any, context: Context, timeout: timedelta, loop: TaskLoop) -> Done | Failed:
    """Run the task once; whatever it raises or returns becomes an answer. Only our own cancellation comes through."""
    try:
        arguments = task.arguments(payload, context)
    except BaseException as error:  # a user's validator may raise anything, and this loop is ours
        return _failed(error)
    if task.inline:
        return await _inline(task, arguments, timeout)
    if task.is_async:
        future = loop.run(_caught(task.function(*arguments)))
    else:
        future = loop.call(lambda: _called(task.function, arguments))
    running = asyncio.wrap_future(future)
    try:
        done, _ = await asyncio.wait({running}, timeout=timeout.total_seconds())
    except asyncio.CancelledError:
        running.cancel()
        await asyncio.wait({running}, timeout=_GIVE_UP_SECONDS)
        raise
    if not done:
        running.cancel()
        return Failed(_timed_out(timeout))
    return _ended(running)


async def _inline(task: Task, arguments: tuple[Any, ...], timeout: timedelta) -> Done | Failed:
    """Our own tasks need no other thread."""
    try:
        async with asyncio.timeout(timeout.total_seconds()) as limit:
            return _done(await task.function(*arguments))
    except TimeoutError as error:
        return Failed(_timed_out(timeout)) if limit.expired() else _failed(error)
    except Exception as error:
        return _failed(error)


def _called(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Done | Failed:
    """What a plain function raises must not travel as an exception: asyncio's futures cannot hold StopIteration."""
    try:
        return Done(function(*arguments))
    except BaseException as error:
        return _failed(error)


async def _caught(work: Awaitable[Any]) -> Done | Failed:
    """What ends a task must not end its loop: SystemExit would."""
    try:
        return Done(await work)
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        return Failed("the task raised CancelledError")
    except BaseException as error:
        return _failed(error)


def _ended(running: "asyncio.Future[Any]") -> Done | Failed:
    if running.cancelled():
        return Failed("the task was cancelled")
    error = running.exception()
    if error is not None:
        return _failed(error)
    answer = running.result()
    if isinstance(answer, Failed):
        return answer
    return _done(answer.result if isinstance(answer, Done) else answer)


def _done(result: Any) -> Done | Failed:
    """A result is kept as the JSON that it is; repeating the work would not make it so."""
    if result is None:
        return Done(None)
    try:
        data = storable(result)
    except (TypeError, ValueError) as error:
        return Failed(f"the task returned what JSON cannot hold: {error}"[:_LONGEST_ERROR], retry=False)
    if len(data) > _LARGEST_RESULT:
        return Failed(f"the task returned {len(data)} bytes of JSON; {_LARGEST_RESULT} are kept at most", retry=False)
    return Done(orjson.loads(data))


def _failed(error: BaseException) -> Failed:
    match error:
        case Fail():
            return Failed(_clean(error.message), retry=error.retry)
        case RetryAfter():
            return Failed(_clean(error.message or "asked to be tried again later"), delay=error.delay)
        case _:
            try:
                text = str(error)
            except Exception:
                text = "its message cannot be read"
            return Failed(_clean(f"{type(error).__name__}: {text}".removesuffix(": ")))


def _clean(text: str) -> str:
    """What PostgreSQL can store: no NUL, no half characters, not without end."""
    return str(text).replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:_LONGEST_ERROR] or "no message"


def _timed_out(timeout: timedelta) -> str:
    return f"timed out after {timeout.total_seconds():g} s"
