"""Tasks of the workloads: one whose result is the time of its first line, a no-op, and those of the soak."""

import time

from duebook import Context
from duebook.tasks import task


@task("bench.instant")
async def instant() -> float:
    """Return the time in seconds since 1970."""
    return time.time()


@task("bench.nothing")
async def nothing() -> None:
    """Do nothing."""


@task("bench.flaky")
async def flaky(context: Context) -> None:
    """Fail at the first attempt."""
    if context.attempt == 1:
        raise ConnectionError("the first attempt finds no connection")


@task("bench.doomed")
async def doomed() -> None:
    """Fail."""
    raise ValueError("no attempt can succeed")


@task("bench.talking")
async def talking(n: int, context: Context) -> None:
    """Write two lines to the log of the job."""
    context.log("begins", n=n)
    context.log("ends", n=n)
