"""How work on the database survives failures: wait while PostgreSQL is unavailable, isolate an item that it refuses."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import TypeVar

import structlog

from duebook_common.store.database import UNAVAILABLE

T = TypeVar("T")
R = TypeVar("R")

log = structlog.stdlib.get_logger("resilience")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds


async def retry_while_unavailable(
    doing: str,
    work: Callable[[], Awaitable[T]],
    *,
    longest: float = _LONGEST_PAUSE,
    also: tuple[type[Exception], ...] = (),
) -> T:
    """Repeat the work until PostgreSQL answers, with pauses that double from 0.2 s up to `longest` seconds.

    `doing` says in the log what waits. The work must be safe to repeat: a COMMIT may have succeeded although its answer
    was lost. Errors of the types `also` are retried too; every other error is raised.
    """
    retried: tuple[type[Exception], ...] = (*UNAVAILABLE, *also)
    for failures in count(1):
        try:
            return await work()
        except retried as error:
            log.warning("waiting for PostgreSQL", doing=doing, error=error, failures=failures)
            await asyncio.sleep(min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), longest))
    raise AssertionError("unreachable")


async def isolate_failures(
    items: Sequence[T], work: Callable[[Sequence[T]], Awaitable[R]], failed: Callable[[T, Exception], R]
) -> list[R]:
    """Process the items as one batch; if that fails, one by one, so that a poisonous item fails alone.

    Returns the results of the batches: one for all items, or one for each. Raises what UNAVAILABLE lists, because
    then the database has failed, and not an item.
    """
    try:
        return [await work(items)]
    except UNAVAILABLE:
        raise
    except Exception as error:
        if len(items) == 1:
            return [failed(items[0], error)]
        log.warning("batch failed; processing its items one by one", error=error, items=len(items))
    return await one_by_one(items, work, failed)


async def one_by_one(
    items: Sequence[T], work: Callable[[Sequence[T]], Awaitable[R]], failed: Callable[[T, Exception], R]
) -> list[R]:
    """Process each item as a batch of its own; `failed` makes the result of an item that raised."""
    results: list[R] = []
    for item in items:
        try:
            results.append(await work([item]))
        except UNAVAILABLE:
            raise
        except Exception as error:
            results.append(failed(item, error))
    return results
