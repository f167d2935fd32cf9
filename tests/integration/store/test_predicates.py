"""SQL's conditions on runs say what the state says."""

from dataclasses import replace
from typing import Any

import pytest

from duebook_common.domain.run.state import ENDED, RunStatus
from duebook_common.store.database import Pool
from duebook_common.store.predicates import ACTIVE, HOLDS_KEY
from support.bookkeeping import NOW
from support.samples import a_run

_ROW = "(SELECT $1::text AS status, $2::timestamptz AS wake_at, $3::text AS concurrency_key) AS run"


async def holds(pool: Pool, predicate: str, *row: Any) -> bool:
    return bool(await pool.fetchval(f"SELECT {predicate} FROM {_ROW}", *row))


@pytest.mark.parametrize("status", RunStatus)
async def test_a_run_is_active_in_sql_as_in_its_state(pool: Pool, status: RunStatus) -> None:
    run = replace(a_run(), status=status, wake_at=None if status in ENDED else NOW)
    assert await holds(pool, ACTIVE, run.status, run.wake_at, None) == run.active


@pytest.mark.parametrize("status", RunStatus)
async def test_an_active_run_holds_its_key_unless_it_waits(pool: Pool, status: RunStatus) -> None:
    run = replace(a_run(), status=status, wake_at=None if status in ENDED else NOW)
    assert await holds(pool, HOLDS_KEY, run.status, run.wake_at, "k") == (run.active and status != "waiting")
    assert not await holds(pool, HOLDS_KEY, run.status, run.wake_at, None)
