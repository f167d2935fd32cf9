"""Requests that wait for the end of a run, and ends for them, on an api in this process."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.job.commands import Dispatch
from duebook_common.domain.run.commands import StartAttempt, Succeed
from duebook_common.store.actor import Actor
from duebook_common.store.job_handling import handle_job
from support.api_app import Api


async def waiting(api: Api, count: int = 1) -> None:
    """Returns when so many requests wait."""
    async with asyncio.timeout(60):
        while sum(map(len, api.deps.waits._waiting.values())) < count:
            await asyncio.sleep(0.005)


async def succeed(api: Api, run_id: str, result: Any = "done") -> None:
    now = api.deps.clock.now()
    await api.execute(run_id, StartAttempt(0, "executor-1", timedelta(seconds=30), now), Succeed(1, result, now))


async def dispatch(api: Api, job_id: str) -> str:
    """The id of the run of a due job."""
    result = await handle_job(api.deps.pool, UUID(job_id), Dispatch(api.deps.context()), Actor("test"))
    assert result is not None
    return str(result.runs[0].id)
