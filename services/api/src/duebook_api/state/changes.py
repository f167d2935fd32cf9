"""What changes, for the pages of the console: only which resources, and how many events, at most once a second.

Processes have no events: their states are read every five seconds, and count as one event if one has changed.

One query a second reads the end of the log for all pages of this process, and none while no page is open. Where more
events have come than one query counts, the rest is skipped and everything counts as changed: no page lags behind.
Where the refreshes take long, as on a machine that is full, the query comes as much less often, at least every three
seconds: the runs come first. Where an answer had numbers that are out of date, because they are slow to
count, what they count is said to have changed once more as soon as it can be counted anew.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import orjson

from duebook_api.http import positions
from duebook_api.http.positions import LATEST, Position
from duebook_api.state.feed import Permitted
from duebook_common.runtime.loops import wait_until_set
from duebook_common.store.database import Connection, Pool, acquire
from duebook_common.store.eventstore import HORIZON
from duebook_common.store.predicates import PRESENCE

PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=3)
_SHARE = 0.1  # of the time may be spent on the refreshes that changes cause, if pauses of that length suffice
RESOURCES = ("run", "job", "dead-letter", "queue", "mail", "bulk", "key", "installation", "process")
"""What the parts of pages are about."""
_COUNTED = ("run", "job", "dead-letter", "queue", "process")  # those of which pages show numbers that are counted
_ASK_AGAIN, _HEARTBEAT, _MAX_STREAM_SECONDS = 2.0, 15.0, 900.0
_RECONNECT_AFTER = b"retry: 2000\n\n"  # milliseconds
_MOST = 20_000  # events that one query counts
_LOOK_AT_PROCESSES = 5.0  # seconds
_PROCESSES = f"""
SELECT md5(string_agg(id || ' ' || state, ',' ORDER BY id)) FROM (
    SELECT instance_id::text AS id, {PRESENCE} AS state FROM services
    WHERE seen_at > clock_timestamp() - interval '1 day'
    UNION ALL SELECT executor, {PRESENCE} FROM executors WHERE seen_at > clock_timestamp() - interval '1 day'
) AS processes
"""  # noqa: S608
# Events are counted by the first part of their stream's name: `job`, `run`, `mail`, `queue`, …
_CHANGES = f"""
WITH recent AS MATERIALIZED (
    SELECT type, stream, xid, position FROM events WHERE (xid, position) > ($1::xid8, $2) AND {HORIZON}
    ORDER BY xid, position LIMIT $3
), seen_to AS (SELECT xid::text::bigint AS xid, position FROM recent ORDER BY xid DESC, position DESC LIMIT 1)
SELECT CASE WHEN type IN ('RunDeadLettered', 'RunRedriven', 'RunDiscarded') THEN 'dead-letter'
       ELSE split_part(stream, '-', 1) END AS resource, count(*) AS events,
       (SELECT xid FROM seen_to) AS xid, (SELECT position FROM seen_to) AS position
FROM recent GROUP BY 1
"""  # noqa: S608


class Changes:
    """Counts the events of each resource while pages are open; each page is sent what has come since it last looked."""

    def __init__(self, most: int = _MOST) -> None:
        self._most, self._pages, self._closed = most, 0, False
        self._position: Position | None = None
        self._seen_to = ""
        self._refreshing = self._look_at = 0.0
        self._processes: str | None = None
        self._repeats, self._repeat_at = 0, float("inf")
        self._events = Counter[str]()
        self._changed = asyncio.Event()

    async def step(self, pool: Pool) -> int:
        """Count the next events; returns 0, so that the loop pauses before it looks again."""
        if not self._pages:
            self._position, self._look_at, self._repeat_at = None, 0.0, float("inf")
            return 0
        self._repeat()
        async with acquire(pool) as db:
            await self._see_processes(db)
            if self._position is None:
                self._follow((await positions.resolve(db, LATEST)).position)
                return 0
            rows: list[Any] = await db.fetch(_CHANGES, *self._position, self._most)
            events = Counter({row["resource"]: row["events"] for row in rows})
            is_behind = events.total() >= self._most
            latest = (await positions.resolve(db, LATEST)).position if is_behind else None
        if rows:
            self._events.update(events)
            self._events.update(RESOURCES if is_behind else ())
            self._follow(latest or Position(rows[0]["xid"], rows[0]["position"]))
        return 0

    async def _see_processes(self, db: Connection) -> None:
        if (now := time.monotonic()) < self._look_at:
            return
        before, self._processes = self._processes, await db.fetchval(_PROCESSES)
        if self._look_at and self._processes != before:
            self._events["process"] += 1
            self._wake()
        self._look_at = now + _LOOK_AT_PROCESSES

    def repeat_at(self, at: float) -> None:
        """An answer serves until then, by `time.monotonic()`, and is out of date already."""
        self._repeat_at = min(self._repeat_at, at)

    def _repeat(self) -> None:
        if time.monotonic() < self._repeat_at:
            return
        self._repeats, self._repeat_at = self._repeats + 1, float("inf")
        self._events.update(_COUNTED)
        self._wake()

    def note_refresh(self, seconds: float) -> None:
        """A page was rendered for all its viewers, which took so long."""
        self._refreshing += seconds

    def pause(self) -> timedelta:
        """The pause before the next step, by what refreshes have taken since the last one."""
        seconds, self._refreshing = self._refreshing, 0.0
        return min(max(PAUSE, timedelta(seconds=seconds / _SHARE)), LONGEST_PAUSE)

    def _follow(self, position: Position) -> None:
        """The log has been read up to there."""
        self._position, self._seen_to = position, f"{position.xid}-{position.number}"
        self._wake()

    @property
    def seen_to(self) -> str:
        """The position up to which the log was read, as the frames name it; empty before any event was read."""
        return self._seen_to

    @property
    def processes(self) -> str | None:
        """Another text whenever the state of a process has changed, as far as was seen."""
        return self._processes

    @property
    def repeats(self) -> int:
        """How many times pages were told to ask again because their numbers were out of date."""
        return self._repeats

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        self._closed = True
        self._wake()

    async def stream(self, permitted: Permitted) -> AsyncGenerator[bytes, None]:
        """Frames like `data: {"run":12,"job":1}`; ends when the reader's session has ended.

        The first one is empty: each event from now on is told. The id of a frame names the end of the log that was
        read, so that all who refresh by it can share a page.
        """
        self._pages += 1
        try:
            yield _RECONNECT_AFTER
            seen, end = Counter(self._events), time.monotonic() + _MAX_STREAM_SECONDS
            heartbeat_at, follows = time.monotonic(), False
            while not self._closed and time.monotonic() < end and await permitted():
                changed = self._changed
                since, begins = self._events - seen, not follows and self._position is not None
                if since or begins:
                    seen, heartbeat_at, follows = Counter(self._events), time.monotonic(), True
                    yield b"id: %b\ndata: %b\n\n" % (self._seen_to.encode(), orjson.dumps(since))
                await wait_until_set(changed, _ASK_AGAIN)
                if time.monotonic() - heartbeat_at >= _HEARTBEAT:
                    heartbeat_at = time.monotonic()
                    yield b": nothing new\n\n"
        finally:
            self._pages -= 1
