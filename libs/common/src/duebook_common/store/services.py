"""Which processes of the services run: each has a row, which it renews every ten seconds and deletes when it stops.

A row that was not renewed for a minute counts as lost, and is forgotten after a day. Times are the database's.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from socket import gethostname
from uuid import UUID

import structlog
import uuid_utils.compat as uuids

from duebook_common.runtime import timezones
from duebook_common.runtime.health import Health
from duebook_common.runtime.loops import run_every
from duebook_common.runtime.settings import Settings
from duebook_common.store.database import UNAVAILABLE, Clock, Pool, acquire
from duebook_common.store.schema import SCHEMAS

log = structlog.stdlib.get_logger("services")

_LOOK, _RENEW_SECONDS, _GOODBYE_SECONDS = timedelta(seconds=1), 10.0, 2.0
FORGOTTEN_AFTER = timedelta(days=1)
VERSION = version("duebook-common")

_RENEW = "UPDATE services SET seen_at = clock_timestamp(), draining = $2 WHERE instance_id = $1 RETURNING true"
_ANNOUNCE = """
INSERT INTO services (instance_id, service, host, version, schema, tzdata, settings, draining, started_at, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp())
ON CONFLICT (instance_id) DO UPDATE SET seen_at = excluded.seen_at, draining = excluded.draining
"""
_FORGET = "DELETE FROM services WHERE seen_at < clock_timestamp() - $1::interval"
_LEAVE = "DELETE FROM services WHERE instance_id = $1"


@dataclass(frozen=True, slots=True)
class Instance:
    """One start of one process of a service."""

    id: UUID
    service: str
    settings: Settings
    started_at: datetime


@asynccontextmanager
async def present(
    pool: Pool, service: str, settings: Settings, health: Health, clock: Clock, instance_id: UUID | None = None
) -> AsyncIterator[None]:
    """Keep a row of this process while the block runs, also while it drains.

    A row that cannot be written is tried again: no service fails for it.
    """
    instance = Instance(instance_id or uuids.uuid7(), service, settings, clock.now())
    presence = Presence(pool, instance, health)
    loop = asyncio.create_task(run_every("presence", _LOOK, presence.step))
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await presence.leave()


class Presence:
    """Renews the row of one process. A row that was lost, with the database or by being forgotten, is made anew."""

    def __init__(self, pool: Pool, instance: Instance, health: Health) -> None:
        self._pool, self._instance, self._health = pool, instance, health
        self._renew_at, self._draining = 0.0, False

    async def step(self) -> int:
        """Renew the row if it is time, or if the process has begun to drain; always returns 0."""
        draining = self._health.draining
        if time.monotonic() < self._renew_at and draining == self._draining:
            return 0
        async with acquire(self._pool) as db:
            if not await db.fetchval(_RENEW, self._instance.id, draining):
                await db.execute(_ANNOUNCE, *self._facts(), draining, self._instance.started_at)
                await db.execute(_FORGET, FORGOTTEN_AFTER)
        self._renew_at, self._draining = time.monotonic() + _RENEW_SECONDS, draining
        return 0

    def _facts(self) -> tuple[object, ...]:
        it = self._instance
        return it.id, it.service, gethostname(), VERSION, SCHEMAS[-1], timezones.VERSION, it.settings.shown()

    async def leave(self) -> None:
        """Delete the row; without PostgreSQL the process counts as lost a minute later."""
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS), acquire(self._pool) as db:
                await db.execute(_LEAVE, self._instance.id)
        except UNAVAILABLE as error:
            log.debug("presence not deleted", error=error)
