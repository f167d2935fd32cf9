"""PostgreSQL: the pool, its bounds, and the database's clock."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:  # only the stubs know these as generic
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool, Connection = asyncpg.Pool, asyncpg.Connection | PoolConnectionProxy

# What a lost, restarting or overwhelmed server looks like: the work was not refused, so it is worth repeating.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that died under a statement can look like this
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
)

_ACQUIRE_SECONDS = 5
_SETTINGS = {
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "jit": "off",  # compiling a plan costs more than any query here
    "timezone": "UTC",
}


@asynccontextmanager
async def connect(url: str, application: str, size: int = 10, longest: float = 15) -> AsyncIterator[Pool]:
    """A pool of connections in which every wait has an end; a statement takes `longest` seconds at most."""
    async with asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=5,
        command_timeout=longest + 5,
        init=_init,
        reset=_leave_as_it_is,
        server_settings={
            **_SETTINGS,
            "statement_timeout": f"{longest:.0f}s",
            "application_name": f"duebook-{application}",
        },
    ) as pool:
        yield pool


async def _init(db: Connection) -> None:
    await db.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary")


async def _leave_as_it_is(_: Connection) -> None:
    """Nothing here leaves anything behind in a session, so cleaning it at each release is a round trip for nothing."""


def _encode_jsonb(value: Any) -> bytes:
    """Bytes are JSON already; anything else is made JSON. The leading 1 is jsonb's version number."""
    return b"\x01" + (value if isinstance(value, bytes) else orjson.dumps(value))


def _decode_jsonb(data: bytes) -> Any:
    return orjson.loads(data[1:])


@asynccontextmanager
async def acquire(pool: Pool) -> AsyncIterator[Connection]:
    """One connection, waited for at most 5 s."""
    async with pool.acquire(timeout=_ACQUIRE_SECONDS) as db:
        yield db


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction on a connection of its own, committed at the end of the block."""
    async with acquire(pool) as db, db.transaction():
        yield db


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """One connection that only reads, and sees the books as they stand at its first question."""
    async with acquire(pool) as db, db.transaction(isolation="repeatable_read", readonly=True):
        yield db


class Clock:
    """The database's time, told by this process's monotonic clock plus a measured offset.

    Neither a jump of the machine's wall clock nor a wrong one moves it.
    """

    def __init__(self) -> None:
        self._offset: float | None = None

    def now(self) -> datetime:
        offset = self._offset if self._offset is not None else time.time() - time.monotonic()
        return datetime.fromtimestamp(time.monotonic() + offset, UTC)

    async def measure(self, pool: Pool) -> None:
        """Ask the database; half of the round trip is taken as the answer's way back."""
        async with acquire(pool) as db:
            before = time.monotonic()
            told: datetime = await db.fetchval("SELECT clock_timestamp()")
            after = time.monotonic()
        self._offset = told.timestamp() - (before + after) / 2

    async def keep(self, pool: Pool, every: timedelta = timedelta(seconds=10)) -> None:
        """Measure for ever; a failed measurement keeps the last offset."""
        while True:
            await asyncio.sleep(every.total_seconds())
            try:
                await self.measure(pool)
            except UNAVAILABLE:
                continue
