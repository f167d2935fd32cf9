"""The lines of days: the hash of the events of each day that is over, and of what has left with its period.

Events are digested in PostgreSQL: each by its frame and its commitment, which an erasure keeps. The order of the events
of a day does not count, so neither a move to another period nor a rebase of the log changes anything.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from duebook_common.domain.day_hash import DayLine, DepartedDay, EventSet, line_of
from duebook_common.domain.set_hash import SetHash
from duebook_common.runtime.pacing import NO_REST, Pace
from duebook_common.store.database import Connection, Pool, acquire, transaction

DAY = timedelta(days=1)
_CHUNK = timedelta(minutes=10)  # of a day: no transaction lasts longer than its events take
_ROWS = 500  # digests that are added in one go
_STEP = 500  # events of a period that leaves, in one statement
_CLAIM = timedelta(minutes=10)

# A JSON array, so that no two events have the same text. The seconds have six decimals. An event without a
# salt has been erased: it has a frame only, and whatever else its data says now counts.
_DIGEST = """sha256(convert_to(jsonb_build_array(
    stream, version, position, id, type, extract(epoch FROM recorded_at), job_id, meta,
    CASE WHEN salt IS NULL THEN data ELSE frame_of(data) END
)::text, 'UTF8') || coalesce(sealed, commitment_of(salt, data), ''))"""
_DIGESTS = f"SELECT (recorded_at AT TIME ZONE 'UTC')::date AS day, {_DIGEST} AS digest FROM events"  # noqa: S608
_OF_RANGE = f"{_DIGESTS} WHERE recorded_at >= $1 AND recorded_at < $2"
_OF_PERIOD = f"""
{_DIGESTS.replace("SELECT", "SELECT xid, position,")} WHERE born = $1 AND (xid, position) > ($2::xid8, $3)
ORDER BY xid, position LIMIT $4
"""
_OF_LINES = f"""
{_DIGESTS.replace("FROM events", "")} FROM unnest($1::text[]) WITH ORDINALITY AS given (line, number),
    json_populate_record(NULL::events, line::json) ORDER BY number
"""
# Of the first events in the order of the log, because no index has the first time.
_FIRST_DAY = """
SELECT min((recorded_at AT TIME ZONE 'UTC')::date)
FROM (SELECT recorded_at FROM events ORDER BY xid, position LIMIT 1000) AS first
"""
_LAST_LINE = "SELECT day, events, hash FROM day_lines ORDER BY day DESC LIMIT 1"
_LINES = "SELECT day, events, state, hash FROM day_lines ORDER BY day"
_INSERT = """
INSERT INTO day_lines (day, events, state, hash, sealed_at) VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT DO NOTHING RETURNING true
"""
_DEPARTED = """
SELECT day, born, events, state, covered_by FROM departed_days JOIN periods USING (born) WHERE status = 'archived'
"""
_STATUS = "SELECT status FROM periods WHERE born = $1"
_DEPARTED_WITH = "SELECT day, events, state FROM departed_days WHERE born = $1"
_COVER = "UPDATE departed_days SET covered_by = $1 WHERE covered_by IS NULL AND born = ANY($2::timestamptz[])"
_NOTE = """
INSERT INTO departed_days (day, born, events, state) VALUES ($1, $2, $3, $4)
ON CONFLICT (day, born) DO UPDATE SET events = excluded.events, state = excluded.state
"""
_IS_PRESENT = "SELECT true FROM periods WHERE born = $1 AND status <> 'archived' FOR SHARE"
_TAKE = """
INSERT INTO day_claims AS claims (until) VALUES ($1::timestamptz + $2)
ON CONFLICT (only_row) DO UPDATE SET until = excluded.until WHERE claims.until <= $1 RETURNING true
"""
_RENEW = "UPDATE day_claims SET until = clock_timestamp() + $1"
_GIVE_BACK = "DELETE FROM day_claims"


async def digests(db: Connection, statement: str, *arguments: Any) -> AsyncIterator[tuple[date, bytes]]:
    """The day and the digest of each event; lets other tasks run in between. Needs a transaction."""
    count = 0
    async for record in db.cursor(statement, *arguments, prefetch=_ROWS):
        yield record["day"], record["digest"]
        count += 1
        if count % _ROWS == 0:
            await asyncio.sleep(0)


async def sets_between(db: Connection, start: datetime, end: datetime) -> dict[date, EventSet]:
    """The events in the database by day, recorded from `start` until before `end` (UTC). Needs a transaction."""
    sets: dict[date, EventSet] = {}
    async for day, digest in digests(db, _OF_RANGE, start, end):
        sets.setdefault(day, EventSet()).add(digest)
    return sets


async def next_day(db: Connection) -> date | None:
    """The first day without a line, from the first event on; None without an event."""
    last = await last_line(db)
    first: date | None = await db.fetchval(_FIRST_DAY) if last is None else last.day + DAY
    return first


async def last_line(db: Connection) -> DayLine | None:
    """The newest line."""
    record = await db.fetchrow(_LAST_LINE)
    return DayLine(record["day"], record["events"], record["hash"]) if record else None


async def lines(db: Connection) -> list[tuple[DayLine, EventSet]]:
    """All lines, oldest first, each with the hash of the day's events."""
    return [
        (DayLine(record["day"], record["events"], record["hash"]), _set(record)) for record in await db.fetch(_LINES)
    ]


async def departed(db: Connection) -> dict[date | None, list[DepartedDay]]:
    """What has left, by the day whose line covers it; under None what no line covers yet."""
    found: dict[date | None, list[DepartedDay]] = {}
    for record in await db.fetch(_DEPARTED):
        gone = DepartedDay(record["day"], record["born"], _set(record))
        found.setdefault(record["covered_by"], []).append(gone)
    return found


async def write_line(pool: Pool, day: date, now: datetime) -> DayLine | None:
    """Write the line of a day that is over, at `now` (UTC); None if it is not written now.

    Another process is at work, or has written it, or a period with events of the day has left meanwhile. In many short
    transactions: the events of the day do not change any more but by erasures, which change no digest.
    """
    if not await pool.fetchval(_TAKE, now, _CLAIM):
        return None
    events = EventSet()
    async with acquire(pool) as db:
        left = _of_day(await departed(db), day)
    for n in range(DAY // _CHUNK):
        start = _midnight(day) + n * _CHUNK
        async with transaction(pool) as db:
            async for _, digest in digests(db, _OF_RANGE, start, start + _CHUNK):
                events.add(digest)
        await pool.execute(_RENEW, _CLAIM)
    async with transaction(pool) as db:
        line = await _write(db, day, events, left)
        await db.execute(_GIVE_BACK)
        return line


async def _write(db: Connection, day: date, events: EventSet, left: list[DepartedDay]) -> DayLine | None:
    gone = await departed(db)
    if len(_of_day(gone, day)) != len(left):
        return None  # the events of what has left since may have been counted, and would count again
    for each in left:
        events.include(each.events)
    new = gone.get(None, [])
    line = line_of(day, events, await last_line(db), new)
    if not await db.fetchval(_INSERT, day, events.events, events.hash.state, line.hash):
        return None
    await db.execute(_COVER, day, [each.born for each in new])
    return line


def _of_day(gone: Mapping[date | None, list[DepartedDay]], day: date) -> list[DepartedDay]:
    """What has left of the events of this day."""
    return [each for days in gone.values() for each in days if each.day == day]


async def note_departure(pool: Pool, born: datetime, pace: Pace = NO_REST) -> None:
    """Note the events of a sealed period (UTC) by day, before it is dropped. To repeat it is harmless.

    In short statements, so that vacuum is not held back: nothing changes in a sealed period but by erasures.
    """
    sets: dict[date, EventSet] = {}
    last: tuple[int, int] | None = (0, 0)
    while last is not None:
        async with pace.step():
            records = await pool.fetch(_OF_PERIOD, born, *last, _STEP)
            _add(sets, records)
            last = (records[-1]["xid"], records[-1]["position"]) if records else None
    async with transaction(pool) as db:
        # Who has stood still may have read a period that another process has dropped meanwhile.
        if await db.fetchval(_IS_PRESENT, born) is None:
            return
        for day, events in sets.items():
            await db.execute(_NOTE, day, born, events.events, events.hash.state)


async def departed_of(db: Connection, born: datetime) -> dict[date, EventSet] | None:
    """What has left with a period (UTC), by day; None as long as it is in the database."""
    if await db.fetchval(_STATUS, born) != "archived":
        return None
    return {record["day"]: _set(record) for record in await db.fetch(_DEPARTED_WITH, born)}


async def digests_of(db: Connection, lines: Sequence[str]) -> list[tuple[date, bytes]]:
    """The day and the digest of each event, from its row as JSON. An erasure changes neither."""
    return [(record["day"], record["digest"]) for record in await db.fetch(_OF_LINES, lines)]


def _add(sets: dict[date, EventSet], records: Iterable[Any]) -> None:
    for record in records:
        sets.setdefault(record["day"], EventSet()).add(record["digest"])


def _set(record: Any) -> EventSet:
    return EventSet(record["events"], SetHash(record["state"]))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
