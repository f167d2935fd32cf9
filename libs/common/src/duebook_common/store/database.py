"""PostgreSQL: connections with a limit to every wait, transactions, and the database's clock."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:  # these classes are generic in the stubs only
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Pool, Connection = asyncpg.Pool, asyncpg.Connection | PoolConnectionProxy

# The errors of a lost, restarting or overloaded server. It did not refuse the work, so the work may be repeated.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # raised when a connection dies during some statements
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
)

_ACQUIRE_SECONDS = 5
_CLOCK_QUESTIONS = 5  # of one measurement of the clock
_SETTINGS = {
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
    "jit": "off",  # compiling a plan costs more than it saves on any query here
    "max_parallel_workers_per_gather": "0",  # so does starting workers; they would take the cores of others
    "timezone": "UTC",
}


@asynccontextmanager
async def connect(url: str, application: str, size: int = 10, statement_timeout: float = 15) -> AsyncIterator[Pool]:
    """A pool of at most `size` connections. Each wait has a limit; that of a statement is given in seconds."""
    async with asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        timeout=5,
        command_timeout=statement_timeout + 5,
        init=_init,
        reset=_do_not_reset,
        server_settings=startup_parameters(application, statement_timeout),
    ) as pool:
        yield pool


def startup_parameters(application: str, statement_timeout: float) -> dict[str, str]:
    """What a connection asks for when it begins. A pooler has to know each of them."""
    return {
        **_SETTINGS,
        "statement_timeout": f"{statement_timeout:.0f}s",
        "application_name": f"duebook-{application}",
    }


async def _init(db: Connection) -> None:
    await db.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary")


async def _do_not_reset(_: Connection) -> None:
    """No code here leaves state in a session, so resetting it at each release would be a round trip for nothing."""


def _encode_jsonb(value: Any) -> bytes:
    """JSON in bytes is passed on, any other value is encoded. The leading 1 is the version of jsonb's binary format."""
    return b"\x01" + (value if isinstance(value, bytes) else orjson.dumps(value))


def _decode_jsonb(data: bytes) -> Any:
    return orjson.loads(data[1:])


@asynccontextmanager
async def acquire(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool; raises TimeoutError if none is free within 5 s."""
    async with pool.acquire(timeout=_ACQUIRE_SECONDS) as db:
        yield db


def rows_changed(status: str) -> int:
    """The number of rows in the status of a command, such as "UPDATE 3"."""
    return int(status.rpartition(" ")[2])


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction on a connection of its own, committed at the end of the block."""
    async with acquire(pool) as db, db.transaction():
        yield db


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """A read-only transaction whose queries all see the database as it is at the first one."""
    async with acquire(pool) as db, db.transaction(isolation="repeatable_read", readonly=True):
        yield db


class Clock:
    """The database's time: this process's monotonic clock plus a measured offset.

    So all processes agree on the time, and neither a wrong wall clock nor a jump of it matters.
    """

    def __init__(self) -> None:
        self._offset: float | None = None

    def now(self) -> datetime:
        """The time in UTC. Before the first measurement it is the wall clock's."""
        offset = self._offset if self._offset is not None else time.time() - time.monotonic()
        return datetime.fromtimestamp(time.monotonic() + offset, UTC)

    async def measure(self, pool: Pool) -> None:
        """Measure the offset by the quickest of a few questions.

        The time there is taken to be that of the answer's arrival, so that this clock is never ahead and nothing starts
        early. It is behind by that question's round trip at most.
        """
        async with acquire(pool) as db:
            quickest = min([await _ask_time(db) for _ in range(_CLOCK_QUESTIONS)])
        self._offset = quickest[1]

    async def keep_measuring(self, pool: Pool, every: timedelta = timedelta(seconds=10)) -> None:
        """Measure again and again. A failed measurement leaves the offset as it is."""
        while True:
            await asyncio.sleep(every.total_seconds())
            try:
                await self.measure(pool)
            except UNAVAILABLE:
                continue


async def _ask_time(db: Connection) -> tuple[float, float]:
    """The round trip, and by how much the database's clock is at least ahead of the monotonic one; both in seconds."""
    before = time.monotonic()
    time_there: datetime = await db.fetchval("SELECT clock_timestamp()")
    after = time.monotonic()
    return after - before, time_there.timestamp() - after
