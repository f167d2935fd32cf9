"""The gauges that tell whether vacuum keeps up, and what keeps it from doing so."""

from duebook_api.state.database_gauges import DatabaseGauges
from duebook_common.runtime.telemetry import OLDEST_XMIN_AGE, TABLE_ROWS
from duebook_common.store.database import Pool, snapshot
from duebook_common.store.log_progress import Horizon
from support.bookkeeping import eventually

_SPENT = 50


def value(metric: object, **labels: str) -> float:
    """The gauge's value."""
    samples = (sample for family in metric.collect() for sample in family.samples)  # type: ignore[attr-defined]
    return next(float(sample.value) for sample in samples if sample.labels == labels)


async def spend(pool: Pool) -> None:
    for _ in range(_SPENT):
        await pool.execute("SELECT pg_current_xact_id()")


async def test_rows_that_vacuum_has_to_remove_are_counted(pool: Pool) -> None:
    await pool.execute("ALTER TABLE checkpoints SET (autovacuum_enabled = off)")
    await pool.execute("INSERT INTO checkpoints SELECT n, '1', 1 FROM generate_series(1, 100) AS n")
    await pool.execute("DELETE FROM checkpoints WHERE subscriber <> '1'")
    gauges = DatabaseGauges(pool, Horizon())

    async def counted() -> bool:
        await gauges.refresh()
        return value(TABLE_ROWS, table="checkpoints", state="dead") == 99

    await eventually(counted)
    assert value(TABLE_ROWS, table="checkpoints", state="live") == 1


async def test_a_snapshot_that_holds_back_vacuum_is_seen_by_its_age(pool: Pool) -> None:
    gauges = DatabaseGauges(pool, Horizon())
    async with snapshot(pool) as db:
        await db.fetchval("SELECT count(*) FROM runs")
        await spend(pool)
        await gauges.refresh()
        assert value(OLDEST_XMIN_AGE) >= _SPENT
