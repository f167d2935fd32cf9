"""Signs of life: an advisory lock that PostgreSQL holds for a process, and gives up when the process ends.

Each sign needs a session of its own, straight to the server. A pooler that shares sessions would keep the lock when the
process has ended, or drop it before, so there no sign is given and none is watched: leases alone decide.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import asyncpg
import structlog

from duebook_common.store.predicates import IS_HEARD

if TYPE_CHECKING:  # generic in the stubs only
    Session = asyncpg.Connection[asyncpg.Record]
else:
    Session = asyncpg.Connection

log = structlog.stdlib.get_logger("signs")

_SIGNS = 7244  # other locks: see `locks`
_ANSWER_SECONDS = 5.0

# The server closes no session for being idle, and notices within half a minute that a machine is gone. It stops to
# wait for a lock before this side does, and so leaves no session behind that still waits.
_KEEP = """
SET idle_session_timeout = 0; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3; SET lock_timeout = '4s'
"""
_TAKE = "SELECT pg_advisory_lock($1, hashtext($2))"
# Locks of this statement end with it. They are shared, so that schedulers that look at once do not see each other.
_LOOK = f"""
SELECT executor, pg_try_advisory_xact_lock_shared($1, hashtext(executor)) AS free FROM executors
WHERE {IS_HEARD} OR executor = ANY($2::text[])
"""  # noqa: S608


async def open_session(url: str, application: str) -> Session | None:
    """A session of this process alone; None if a pooler stands between it and the server.

    A pooler gives its clients numbers of its own instead of the process number of the server's session.
    """
    session = await asyncpg.connect(
        url,
        timeout=_ANSWER_SECONDS,
        command_timeout=_ANSWER_SECONDS,
        server_settings={"application_name": f"duebook-{application}"},
    )
    try:
        if await session.fetchval("SELECT pg_backend_pid()") == session.get_server_pid():
            await session.execute(_KEEP)
            return session
    except BaseException:
        session.terminate()
        raise
    await session.close()
    log.info("no sign of life over a pooler of connections: leases alone decide", application=application)
    return None


class SignOfLife:
    """Gives the sign of one start of one process. `lost` is set when its session has ended: then `step` is urgent."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self._session: Session | None = None
        self._pooled = False
        self.lost = asyncio.Event()

    async def step(self) -> int:
        """Give the sign, or make sure that it is given; always returns 0. Raises what UNAVAILABLE lists."""
        if self._pooled:
            return 0
        try:
            await self._check()
        except BaseException:
            self.close()
            raise
        return 0

    async def _check(self) -> None:
        if self._session is not None and not self._session.is_closed():
            await self._session.execute("SELECT 1")  # the library fails at an empty statement
            return
        self._session = await open_session(self._url, "sign-of-life")
        self._pooled = self._session is None
        if self._session is not None:
            self._session.add_termination_listener(lambda _: self.lost.set())
            # The last session may still hold it, until the server has noticed that it is gone.
            await self._session.execute(_TAKE, _SIGNS, self._name)

    def close(self) -> None:
        """Take the sign back."""
        if self._session is not None:
            self._session.terminate()
            self._session = None


async def free_signs(session: Session, watched: Collection[str]) -> Mapping[str, bool]:
    """For each executor that was heard of lately, or is watched: whether nothing gives its sign."""
    records = await session.fetch(_LOOK, _SIGNS, list(watched))
    return {record["executor"]: record["free"] for record in records}
