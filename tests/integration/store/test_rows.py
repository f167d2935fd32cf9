"""Rows are read by their indexes, however little PostgreSQL knows of the table."""

from uuid import uuid4

from duebook_common.store.database import Pool
from duebook_common.store.rows import ACTIVE_RUNS
from support.query_cost import query_cost


async def test_the_active_runs_of_many_jobs_are_found_by_an_index_in_a_new_database(pool: Pool) -> None:
    """A connection keeps its plan: one that was made for an empty table would read all of it later."""
    found = await query_cost(pool, ACTIVE_RUNS, [uuid4() for _ in range(400)])
    assert (found.indexes, found.scans) == ({"runs_active"}, set())
