"""The task of the workloads that measure punctuality: its result is the time of its first line, by the wall clock."""

import time

from duebook.tasks import task


@task("bench.instant")
async def instant() -> float:
    """Return the time in seconds since 1970."""
    return time.time()
