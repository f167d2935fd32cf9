"""Tasks of the workloads: one whose result is the time of its first line, by the wall clock, and a no-op."""

import time

from duebook.tasks import task


@task("bench.instant")
async def instant() -> float:
    """Return the time in seconds since 1970."""
    return time.time()


@task("bench.nothing")
async def nothing() -> None:
    """Do nothing."""
