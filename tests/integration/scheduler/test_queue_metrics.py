"""The queues that metrics show from the start."""

import asyncio

from duebook_common.integrity.migrate import migrate
from duebook_common.store.database import connect
from duebook_devstack.postgres import Postgres
from duebook_scheduler.queue_metrics import show_known_queues


async def test_a_start_waits_for_a_database_that_has_just_gone(private_postgres: Postgres) -> None:
    await asyncio.to_thread(migrate, private_postgres.url)
    async with connect(private_postgres.url, "tests") as pool:
        private_postgres.kill()
        shown = asyncio.create_task(show_known_queues(pool))
        await asyncio.to_thread(private_postgres.start)
        await shown
