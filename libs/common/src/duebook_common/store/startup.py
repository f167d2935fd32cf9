"""How a service opens its database: it waits for PostgreSQL, for the schema, and for new positions of events."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from duebook_common.runtime.health import Health
from duebook_common.runtime.startup import Server, reason, tls_refusal, wait_for
from duebook_common.store.database import Clock, Pool, connect
from duebook_common.store.log_origin import check_positions
from duebook_common.store.schema import check_schema

# A role or password, a database, a URL: an operator has to correct them.
_REFUSALS = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError)


@asynccontextmanager
async def open_database(
    health: Health, url: str, application: str, clock: Clock, size: int = 10
) -> AsyncIterator[Pool]:
    """A pool on a database with our schema, and the clock set by it. Raises CannotStart if the URL is refused.

    From then on `/readyz` checks both, the schema because the database may be restored or migrated meanwhile.
    """

    async def attempt() -> tuple[Pool, AsyncExitStack]:
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(connect(url, application, size))
            await clock.measure(pool)
            await check_schema(pool)
            await check_positions(pool)
            return pool, stack.pop_all()

    pool, opened = await wait_for(health, Server("postgres", url, refusal), attempt)
    async with opened:
        health.checks["postgres"] = lambda: check_schema(pool)
        yield pool


def refusal(error: Exception) -> str | None:
    """What is wrong with the URL, if the error says so."""
    cause = tls_refusal(error)
    if isinstance(error, _REFUSALS) or "rejected SSL upgrade" in str(error):
        cause = reason(error)
    return f"DUEBOOK_POSTGRES_URL is invalid: {cause}; correct it" if cause else None
