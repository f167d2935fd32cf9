"""The log as a stream of server-sent events.

One loop reads the end of the log for all clients of this process. A client that is further behind reads for itself, one
batch at a time. No client holds a database connection while it waits, and none is sent more than it receives.
"""

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate
from typing import NamedTuple

from duebook_api.http import positions
from duebook_api.http.positions import LATEST, Position
from duebook_api.http.problems import Problem
from duebook_api.http.replies import dumps
from duebook_api.schemas import views
from duebook_common.runtime.loops import wait_until_set
from duebook_common.store.database import UNAVAILABLE, Pool, acquire, snapshot
from duebook_common.store.event_scan import EventFilter, scan
from duebook_common.store.eventstore import RecordedEvent, tail

PAUSE = timedelta(seconds=0.1)

_BATCH, _KEPT = 100, 4_000  # events
_KEPT_BYTES, _CHUNK_BYTES = 32 * 1024 * 1024, 64 * 1024
_BATCH_BYTES = 256 * 1024  # of one client at once, or one event
_MOST_STREAMS = 500
_SCANS = 2  # at once, for streams with filters that are far behind
_HEARTBEAT, _RETRY = 15.0, 1.0  # seconds
_ASK_AGAIN = 2.0  # seconds until a stream asks again whether its key is still valid
# Then the client reconnects, maybe to another replica, and its key is checked again.
_MAX_STREAM_SECONDS = 900.0
_RECONNECT_AFTER = b"retry: 1000\n\n"  # milliseconds


Permitted = Callable[[], Awaitable[bool]]


async def _always() -> bool:
    return True


class EventFrame(NamedTuple):
    """An event as it is sent, rendered once for all clients."""

    position: Position
    data: bytes
    event: RecordedEvent  # without its data, which the frame has


def _frame(event: RecordedEvent) -> EventFrame:
    head = f"id: {positions.text_of(event)}\nevent: {event.type}\ndata: ".encode()
    data = head + dumps(views.event(event)) + b"\n\n"
    return EventFrame(positions.position_of(event), data, replace(event, data=None))


class _Batch(NamedTuple):
    """The next frames of a stream, and the position up to which the log was looked at, with its text."""

    frames: Sequence[EventFrame]
    position: Position
    text: str


def _batch(frames: Sequence[EventFrame], wanted: EventFilter | None) -> _Batch | None:
    """The frames that are wanted; None if there are none to look at."""
    if not frames:
        return None
    last = frames[-1]
    shown = frames if wanted is None else [frame for frame in frames if wanted.matches(frame.event)]
    return _Batch(shown, last.position, positions.text_of(last.event))


class _RecentEvents:
    """A bounded window on the end of the log, without gaps: all events after `start` up to `end`."""

    def __init__(self, position: Position) -> None:
        self.start = self.end = position
        self._frames: list[EventFrame] = []
        self._bytes = 0

    def extend(self, frames: Sequence[EventFrame]) -> None:
        self._frames += frames
        self.end = frames[-1].position
        self._bytes += sum(len(frame.data) for frame in frames)
        while len(self._frames) > _KEPT or self._bytes > _KEPT_BYTES:
            self._drop(len(self._frames) // 2 + 1)

    def _drop(self, count: int) -> None:
        """Drop the oldest events; clients that are further behind read them from the database."""
        self.start = self._frames[count - 1].position
        self._bytes -= sum(len(frame.data) for frame in self._frames[:count])
        del self._frames[:count]

    def after(self, position: Position) -> list[EventFrame]:
        """The next batch; `position` must not lie before `start`."""
        first = bisect_right(self._frames, position, key=lambda frame: frame.position)
        return _first_bytes(self._frames[first : first + _BATCH])


def _first_bytes(frames: Sequence[EventFrame]) -> list[EventFrame]:
    """The frames until those before them have `_BATCH_BYTES`, at least the first: a slow client holds no more."""
    before = accumulate((len(frame.data) for frame in frames), initial=0)
    return [frame for frame, size in zip(frames, before, strict=False) if size < _BATCH_BYTES]


class Feed:
    """Streams of all events from a position on."""

    def __init__(self, pool: Pool, max_seconds: float = _MAX_STREAM_SECONDS, of_one_client: int = 50) -> None:
        self._pool, self._max_seconds, self._of_one_client = pool, max_seconds, of_one_client
        self._scans = asyncio.Semaphore(_SCANS)
        self._clients = Counter[str]()
        self._readers = 0  # streams of events; other streams are only counted
        self._recent: _RecentEvents | None = None  # None while no stream reads events
        self._changed = asyncio.Event()
        self._closed = False

    async def step(self) -> int:
        """Read the next events for all streams; returns their number."""
        if not self._readers:
            self._recent = None
            return 0
        async with acquire(self._pool) as db:
            if self._recent is None:
                self._recent = _RecentEvents((await positions.resolve(db, LATEST)).position)
                self._wake_streams()
            events, _ = await tail(db, *self._recent.end, _BATCH)
        if events:
            self._recent.extend([*map(_frame, events)])
            self._wake_streams()
        return len(events)

    def _wake_streams(self) -> None:
        """Set the event for the streams that wait now; those that wait later get a new one."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """End all streams; their clients reconnect to another replica."""
        self._closed = True
        self._wake_streams()

    @contextmanager
    def reserve_stream(self, client: str, *, reads_events: bool = True) -> Iterator[None]:
        """Count one stream of the client while the context lasts. The log is read for streams that read events only.

        Raises Problem 429 if the client has too many, and 503 if there are too many in all.
        """
        self._must_be_below_limits(client)
        self._clients[client] += 1
        self._readers += reads_events
        try:
            yield
        finally:
            self._readers -= reads_events
            self._clients -= Counter([client])  # drops the client with its last stream

    def _must_be_below_limits(self, client: str) -> None:
        again = {"Retry-After": "5"}
        if self._closed or self.streams >= _MOST_STREAMS:
            raise Problem(503, "too_many_streams", "this server has too many open streams; try again", headers=again)
        if self._clients[client] >= self._of_one_client:
            detail = f"a client may have {self._of_one_client} streams open at once; close one, or read GET /api/events"
            raise Problem(429, "too_many_streams_of_client", detail, headers=again)

    @property
    def streams(self) -> int:
        return self._clients.total()

    async def stream(
        self, position: Position, permitted: Permitted = _always, wanted: EventFilter | None = None
    ) -> AsyncGenerator[bytes, None]:
        """All events after the position, or those `wanted`, for `max_seconds`, also across outages of the database.

        Every few seconds `permitted` is asked whether the client may go on. The caller holds `reserve_stream`.
        """
        yield _RECONNECT_AFTER
        checked_at = heartbeat_at = time.monotonic()
        end = checked_at + self._max_seconds
        while not self._closed and time.monotonic() < end:
            if time.monotonic() - checked_at >= _ASK_AGAIN:
                if not await permitted():
                    return
                checked_at = time.monotonic()
            changed = self._changed  # taken before reading, so that it is set if events arrive during the read
            try:
                batch, pause = await self._after(position, wanted), min(_HEARTBEAT, _ASK_AGAIN)
            except UNAVAILABLE:
                batch, pause = None, _RETRY
            if batch is not None:
                position = batch.position
                for chunk in _chunks(batch.frames):
                    yield chunk
                if batch.frames:
                    heartbeat_at = time.monotonic()
                elif time.monotonic() - heartbeat_at >= _HEARTBEAT:
                    heartbeat_at = time.monotonic()
                    yield f"id: {batch.text}\n\n".encode()  # the client resumes there, and is shown no event
                await asyncio.sleep(0)
                continue
            await wait_until_set(changed, pause)
            if not changed.is_set() and time.monotonic() - heartbeat_at >= _HEARTBEAT:
                heartbeat_at = time.monotonic()
                yield b": nothing new\n\n"

    async def _after(self, position: Position, wanted: EventFilter | None) -> _Batch | None:
        """The next events that are wanted; None if there is nothing new. Raises the errors of UNAVAILABLE."""
        if self._recent is not None and position >= self._recent.start:
            return _batch(self._recent.after(position), wanted)
        if wanted is not None:
            return await self._scan(position, wanted)
        async with acquire(self._pool) as db:
            return _batch([*map(_frame, (await tail(db, *position, _BATCH, _BATCH_BYTES)).events)], None)

    async def _scan(self, position: Position, wanted: EventFilter) -> _Batch | None:
        """Few scans at once: a filter that matches little reads as fast as the database can."""
        async with self._scans, snapshot(self._pool) as db:
            events, _, end = await scan(db, position, wanted, _BATCH, _BATCH_BYTES)
        if end is None:
            return None
        return _Batch([*map(_frame, events)], Position(end.xid, end.position), positions.text_at(*end))


def _chunks(frames: Sequence[EventFrame]) -> Iterator[bytes]:
    """Frames joined into chunks of at least 64 KiB each, but for the last."""
    chunk = bytearray()
    for frame in frames:
        chunk += frame.data
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)
