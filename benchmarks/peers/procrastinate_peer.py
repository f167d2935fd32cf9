"""Procrastinate: its task, and how it is submitted. Its tables have a schema of their own."""

import asyncio
import os
import time

import psycopg
from procrastinate import App, PsycopgConnector

from benchmarks.peers import ticks

_SCHEMA, _BATCH = "procrastinate", 1_000
_URL = os.environ["PEER_POSTGRES_URL"]

app = App(connector=PsycopgConnector(conninfo=f"{_URL}?options=-csearch_path%3D{_SCHEMA}"))


async def _nothing() -> None:
    ticks.tick()


nothing = app.task(name="nothing")(_nothing)


def submit_each(count: int) -> float:
    """Submit tasks one by one; returns when that began, in seconds since 1970: connected already."""
    return asyncio.run(_submit(count, 1))


def submit_all(count: int) -> float:
    """The same, in batches."""
    return asyncio.run(_submit(count, _BATCH))


async def _submit(count: int, batch: int) -> float:
    is_new = _create_schema()
    async with app.open_async():
        if is_new:
            await app.schema_manager.apply_schema_async()
        began = time.time()
        for done in range(0, count, batch):
            await nothing.batch_defer_async(*[{} for _ in range(min(batch, count - done))])
    return began


def _create_schema() -> bool:
    with psycopg.connect(_URL, autocommit=True) as db:
        found = db.execute("SELECT FROM pg_namespace WHERE nspname = %s", [_SCHEMA]).fetchone()
        db.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
    return found is None
