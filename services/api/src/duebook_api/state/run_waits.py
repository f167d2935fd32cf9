"""Requests that wait for the end of a run.

One query looks for the ends of all runs that requests of this process wait for; no request holds a connection while it
waits. It is repeated every few milliseconds while a run was asked for a moment ago, and less often later.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from starlette.requests import ClientDisconnect, Request

from duebook_api.http.problems import Problem
from duebook_common.runtime.loops import wait_until_set
from duebook_common.store.database import UNAVAILABLE, Pool, acquire

MOST_WAITS, OF_ONE_CLIENT = 500, 50
_SHORTEST, _LONGEST, _SHARE = 0.005, 0.1, 0.02  # of a pause, in seconds; of the time since the youngest request
_AGAIN = {"Retry-After": "1"}
_ENDED = """
SELECT run_id FROM runs WHERE run_id = ANY($1::uuid[])
    AND status IN ('succeeded', 'cancelled', 'skipped', 'discarded', 'dead_lettered')
"""


class RunWaits:
    """The requests of this process that wait for the end of a run. A dead letter counts as an end."""

    def __init__(self) -> None:
        self._clients = Counter[str]()
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self._requested, self._requested_at = asyncio.Event(), 0.0
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    @contextmanager
    def reserve(self, client: str) -> Iterator[None]:
        """Count one request of the client that will wait; raises Problem 429 or 503 for one too many."""
        if self._clients.total() >= MOST_WAITS:
            raise Problem(503, "too_many_waits", "too many requests wait for runs here; try again", headers=_AGAIN)
        if self._clients[client] >= OF_ONE_CLIENT:
            detail = f"{OF_ONE_CLIENT} requests of one key may wait for runs at once; ask without `wait`, or later"
            raise Problem(429, "too_many_waits_of_client", detail, headers=_AGAIN)
        self._clients[client] += 1
        try:
            yield
        finally:
            self._clients -= Counter([client])  # drops the client with its last request

    async def wait(self, pool: Pool, run_id: UUID, seconds: float, request: Request) -> None:
        """Wait until the run has ended, so many seconds have passed, or this process stops.

        Raises ClientDisconnect if the client goes away. The caller holds `reserve`.
        """
        ended = asyncio.Event()
        self._waiting.setdefault(run_id, set()).add(ended)
        end, gone = asyncio.create_task(ended.wait()), asyncio.create_task(_disconnected(request))
        try:
            self._ask(pool)
            if not self._closed:
                await asyncio.wait({end, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ClientDisconnect
        finally:
            end.cancel()
            gone.cancel()
            self._forget(run_id, ended)

    def close(self) -> None:
        """Let all requests answer at once."""
        self._closed = True
        for ended in (each for waiting in self._waiting.values() for each in waiting):
            ended.set()

    def _forget(self, run_id: UUID, ended: asyncio.Event) -> None:
        waiting = self._waiting.get(run_id, set())
        waiting.discard(ended)
        if not waiting:
            self._waiting.pop(run_id, None)

    def _ask(self, pool: Pool) -> None:
        """Look at once, and often for a while."""
        self._requested_at = time.monotonic()
        self._requested.set()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(pool), name="waits for runs")

    async def _work(self, pool: Pool) -> None:
        try:
            while self._waiting and not self._closed:
                self._requested.clear()
                await self._look(pool)
                age = time.monotonic() - self._requested_at
                await wait_until_set(self._requested, min(max(age * _SHARE, _SHORTEST), _LONGEST))
        finally:
            self._worker = None

    async def _look(self, pool: Pool) -> None:
        try:
            async with acquire(pool) as db:
                found = await db.fetch(_ENDED, list(self._waiting))
        except UNAVAILABLE:
            await asyncio.sleep(_LONGEST)
            return
        for record in found:
            for ended in self._waiting.get(record["run_id"], ()):
                ended.set()


async def _disconnected(request: Request) -> None:
    """Returns when the client has gone; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
