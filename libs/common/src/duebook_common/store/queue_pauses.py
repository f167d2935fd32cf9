"""The read model of pauses: one row per pause of a queue, or of the installation, in the transaction of the append."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta

from duebook_common.domain.queue.state import Pause, Pauses
from duebook_common.store.database import Connection, rows_changed

_COLUMNS = tuple(field.name for field in fields(Pause))  # each named like the field that it holds
_KEY = ("name", "since")
_NAMES, _SETS = ", ".join(_COLUMNS), ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEY)
_PUT = f"""
INSERT INTO queue_pauses ({_NAMES}) VALUES ({", ".join(f"${n}" for n, _ in enumerate(_COLUMNS, 1))})
ON CONFLICT ({", ".join(_KEY)}) DO UPDATE SET {_SETS}
"""  # noqa: S608
_OF_NAME = f"SELECT {_NAMES} FROM queue_pauses WHERE name = $1 ORDER BY since"  # noqa: S608
_LAST = f"SELECT {_NAMES} FROM queue_pauses WHERE name = $1 ORDER BY since DESC LIMIT 1"  # noqa: S608
_GOING_ON = f"SELECT {_NAMES} FROM queue_pauses WHERE until IS NULL ORDER BY name"  # noqa: S608
_SINCE = f"""
SELECT {_NAMES} FROM queue_pauses WHERE coalesce(until, 'infinity') > $1 ORDER BY name, since
"""  # noqa: S608
_DELETE_OF_NAME = "DELETE FROM queue_pauses WHERE name = $1"
_DELETE_ORPHANS = """
DELETE FROM queue_pauses WHERE NOT EXISTS (
    SELECT FROM events
    WHERE stream = CASE name WHEN '*' THEN 'installation' ELSE 'queue-' || name END AND version = 1
)
"""


async def put_pause(db: Connection, pause: Pause) -> None:
    """Insert the row of the pause, or update it."""
    await db.execute(_PUT, *_values(pause))


async def last_pause(db: Connection, name: str) -> Pause | None:
    """The last pause of this name, which may go on."""
    record = await db.fetchrow(_LAST, name)
    return None if record is None else Pause(**record)


async def pauses_of(db: Connection, name: str) -> list[Pause]:
    """All pauses of this name, oldest first."""
    return [Pause(**record) for record in await db.fetch(_OF_NAME, name)]


async def pauses_now(db: Connection) -> Pauses:
    """The pauses that go on."""
    return Pauses(Pause(**record) for record in await db.fetch(_GOING_ON))


async def pauses_since(db: Connection, since: datetime) -> Pauses:
    """The pauses that ended after `since` (UTC), or go on."""
    return Pauses(Pause(**record) for record in await db.fetch(_SINCE, since))


async def pause_at(db: Connection, queue: str, time: datetime, misfire: timedelta) -> Pause | None:
    """The first pause of the queue, or of the installation, that kept back what was due at that time (UTC)."""
    pauses = (await pauses_since(db, time)).of(queue)
    return next((each for each in sorted(pauses, key=_since) if each.since - misfire <= time), None)


def _since(pause: Pause) -> datetime:
    return pause.since


async def replace_pauses(db: Connection, name: str, pauses: Sequence[Pause]) -> None:
    """Replace rows that differ from the log: `rebuild`."""
    await db.execute(_DELETE_OF_NAME, name)
    await db.executemany(_PUT, [_values(pause) for pause in pauses])


async def delete_orphans(db: Connection) -> int:
    """Delete the rows that have no stream: `rebuild`. Returns how many."""
    return rows_changed(await db.execute(_DELETE_ORPHANS))


def _values(pause: Pause) -> list[object]:
    return [getattr(pause, name) for name in _COLUMNS]
