"""Work for a side process, which imports it by its name."""

import asyncio
import os
import signal

from duebook_api.http.problems import Fault, invalid
from duebook_common.store.database import Pool


async def describe(pool: Pool, add: int) -> tuple[int, int, int]:
    """The process, its niceness, and a sum by the database."""
    return os.getpid(), os.getpriority(os.PRIO_PROCESS, 0), await pool.fetchval("SELECT 1 + $1::int", add)


async def refuse(_: Pool) -> None:
    raise invalid(Fault("/to", "too far"), Fault("/from", "too early"))


async def stop(_: Pool) -> None:
    """Stop this process, as an operator or a debugger may."""
    os.kill(os.getpid(), signal.SIGSTOP)


async def wait(pool: Pool) -> None:
    """Say in the database that this has begun, and wait without an end."""
    await pool.execute("SELECT pg_advisory_lock(4711)")
    await asyncio.Event().wait()


async def die(_: Pool, after: float) -> None:
    """End this process after so many seconds, as the kernel does if there is no memory."""
    await asyncio.sleep(after)
    os.kill(os.getpid(), signal.SIGKILL)
