"""The task of the workload (h)."""

import asyncio

from duebook.tasks import task


@task("bench.seconds")
async def seconds() -> None:
    """Take three seconds."""
    await asyncio.sleep(3)
