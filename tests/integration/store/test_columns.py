"""A row that is written alone is the same as one that is written together with others."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Concurrency, Rate
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection, Pool
from duebook_common.store.projections import insert_jobs, insert_runs, redefine_jobs, update_jobs, update_runs
from support.samples import DAY, MINUTE, NOW, a_definition, a_job, a_run

Step = tuple[Callable[[Connection, Sequence[Any]], Awaitable[None]], Sequence[Any]]


def jobs() -> list[Job]:
    """One with each field that may be empty, and one without."""
    plain = replace(a_job(), id=UUID(int=1), born=NOW)
    filled = replace(
        a_job(tags=("a", 'b,{"c"}'), key="k", payload={"a": [1, None]}, priority=9),
        id=UUID(int=2), born=NOW, request_hash="h", reason="r", next_at=NOW, next_due_at=NOW,
        backlog_since=NOW, held=True,
    )  # fmt: skip
    return [plain, filled]


def runs() -> list[Run]:
    """One with each field that may be empty, one without, and one whose payload is null."""
    plain = replace(a_run(), id=UUID(int=1), born=NOW)
    filled = replace(
        plain, id=UUID(int=2), concurrency=Concurrency("k", 3), rate=Rate("r", 10, MINUTE), request_hash="h",
        start_by=NOW, cause=UUID(int=9), resumed_at=NOW, executor="x", started_at=NOW, finished_at=NOW, error="e",
        result={"a": [1, None]}, reason="r", payload={"a": 1}, own_payload=True, edits=1, fingerprint="f", wake_at=NOW,
        not_before=NOW,
    )  # fmt: skip
    return [plain, filled, replace(plain, id=UUID(int=3), own_payload=True)]


async def test_jobs_inserted_and_updated_alone_are_as_together(pool: Pool) -> None:
    plain, filled = jobs()
    swapped = [replace(filled, id=plain.id), replace(plain, id=filled.id)]
    keyless = [replace(job, definition=a_definition(tags=job.definition.tags)) for job in swapped]
    for steps in ([], [(update_jobs, swapped)], [(redefine_jobs, keyless)]):
        await alone_as_together(pool, "jobs", [(insert_jobs, jobs()), *steps])


async def test_runs_inserted_and_updated_alone_are_as_together(pool: Pool) -> None:
    plain, filled, null = runs()
    changed = [
        replace(filled, id=plain.id, wake_at=NOW + DAY), replace(plain, id=filled.id, edits=2, payload=None),
        replace(null, edits=1, payload=[], result="done"),
    ]  # fmt: skip
    for steps in ([], [(update_runs, changed)]):
        await alone_as_together(pool, "runs", [(insert_runs, runs()), *steps])


async def alone_as_together(pool: Pool, table: str, steps: Sequence[Step]) -> None:
    together = await rows_after(pool, table, steps)
    assert len(together) == len(steps[0][1])
    assert await rows_after(pool, table, [(write, [state]) for write, states in steps for state in states]) == together


async def rows_after(pool: Pool, table: str, steps: Sequence[Step]) -> list[str]:
    """What the table holds after these writes, which are rolled back."""
    async with pool.acquire() as db:
        writing = db.transaction()
        await writing.start()
        for write, states in steps:
            await write(db, states)
        rows = await db.fetch(f"SELECT to_jsonb(r)::text FROM {table} r ORDER BY 1")
        await writing.rollback()
    return [row for (row,) in rows]
