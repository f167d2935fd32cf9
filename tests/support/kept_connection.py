"""A connection to PostgreSQL that a test keeps between its queries, and that is made anew where it was lost.

A test asks twenty times a second until a fact holds. A connection for each question would take half a core: its
login, its codecs, and the caches of a new process of the server.

A statement whose connection was lost is run once more, although it may have been done: it must not matter.
"""

import asyncio
import json
from collections.abc import Sequence
from threading import Lock
from typing import Any

import asyncpg

from duebook_common.store.database import Connection

_CONNECT_SECONDS = 20
_LOST = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)


class KeptConnection:
    def __init__(self, answer_seconds: float = 30) -> None:
        self._answer_seconds = answer_seconds
        self._runner, self._lock = asyncio.Runner(loop_factory=asyncio.new_event_loop), Lock()
        self._url = ""
        self._db: Connection | None = None

    def fetch(self, url: str, statement: str, arguments: Sequence[Any] = (), undo: str | None = None) -> list[Any]:
        """The rows that the statement returns in the database at `url`; `undo` is run before it is run once more."""
        with self._lock:
            return self._runner.run(self._fetch(url, statement, arguments, undo))

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._runner.run(self._leave())
            self._runner.close()

    async def _fetch(self, url: str, statement: str, arguments: Sequence[Any], undo: str | None) -> list[Any]:
        lost = False
        if self._db is not None and url == self._url:
            try:
                return await self._ask(self._db, statement, arguments)
            except TimeoutError:  # an OSError too; the server is there, and may still be at work
                raise
            except _LOST:  # the server was stopped since the last question, or is away
                lost = True
        await self._leave()
        self._url, self._db = url, await _connect(url)
        if lost and undo is not None:
            await self._ask(self._db, undo, ())
        return await self._ask(self._db, statement, arguments)

    async def _ask(self, db: Connection, statement: str, arguments: Sequence[Any]) -> list[Any]:
        return list(await db.fetch(statement, *arguments, timeout=self._answer_seconds))

    async def _leave(self) -> None:
        if self._db is not None:
            self._db.terminate()
            self._db = None
            await asyncio.sleep(0)  # the loop closes the socket


async def _connect(url: str) -> Connection:
    # Without cached statements: tests change the schema, move databases, and restart servers.
    db: Connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS, statement_cache_size=0)
    await db.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    return db
