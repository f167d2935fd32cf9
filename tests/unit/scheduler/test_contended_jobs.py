import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from duebook_scheduler import contended_jobs
from duebook_scheduler.contended_jobs import ContendedJobs, Results

JOB = UUID(int=7)


def taken(contended: ContendedJobs) -> list[Any]:
    return contended.take()


async def test_what_was_taken_while_the_next_jobs_are_decided_is_not_given_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contended_jobs, "_CONTENDED_SECONDS", 0)
    decided: asyncio.Queue[Any] = asyncio.Queue()

    async def decide(_: Sequence[UUID]) -> Results:
        return [await decided.get()]

    async def finished() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    contended = ContendedJobs(decide)
    contended.missed([JOB])
    decided.put_nowait("first")
    await finished()
    contended.missed([JOB])
    await finished()
    assert taken(contended) == ["first"]
    decided.put_nowait("second")
    await finished()
    assert taken(contended) == ["second"]
    assert not contended.waiting
