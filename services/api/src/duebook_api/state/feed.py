"""The log as a stream of server-sent events.

The end of the log is read once for all clients of this process. A client that is further back reads by itself, some at
a time; none keeps a connection to the database while it waits, and none is given more than it takes.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from duebook_api.http import positions
from duebook_api.http.positions import BEGINNING, LATEST
from duebook_api.http.problems import Problem
from duebook_api.http.replies import dumps
from duebook_api.schemas import views
from duebook_common.runtime.loops import wait_until_set
from duebook_common.store.database import UNAVAILABLE, Pool, acquire
from duebook_common.store.eventstore import RecordedEvent, tail

PAUSE = timedelta(seconds=0.1)

_BATCH, _KEPT = 100, 4_000  # events
_KEPT_BYTES, _PIECE_BYTES = 32 * 1024 * 1024, 64 * 1024
_MOST_STREAMS = 500
_HEARTBEAT, _RETRY = 15.0, 1.0  # seconds
# Then the client comes again by itself, maybe to another replica, and with a key that must still be good.
_LONGEST = 900.0  # seconds
_AGAIN = b"retry: 1000\n\n"

Place = tuple[int, int]


class EventFrame(NamedTuple):
    """An event as it is sent, made once for all who get it."""

    place: Place
    frame: bytes


def _told(event: RecordedEvent) -> EventFrame:
    head = f"id: {positions.name(event)}\nevent: {event.type}\ndata: ".encode()
    return EventFrame((event.xid, event.position), head + dumps(views.event(event)) + b"\n\n")


def _place(told: EventFrame) -> Place:
    return told.place


class Feed:
    """The latest events, for whoever has read all before them."""

    def __init__(self, pool: Pool, longest: float = _LONGEST) -> None:
        self._pool, self._longest = pool, longest
        self._recent: list[EventFrame] = []
        self._since = self._until = BEGINNING  # `_recent` has all that lies between, without gaps
        self._bytes = 0
        self._following = False
        self._news = asyncio.Event()
        self._closed = False
        self.streams = 0

    async def step(self) -> int:
        """Read on, if there is anybody to read for; returns how many events came."""
        if not self.streams:
            self._following = False
            self._recent, self._bytes = [], 0
            return 0
        async with acquire(self._pool) as db:
            if not self._following:
                latest = await positions.start(db, LATEST)
                self._since = self._until = latest.xid, latest.position
                self._following = True
                self._announce()
            events = await tail(db, *self._until, _BATCH)
        if events:
            self._keep([*map(_told, events)])
            self._announce()
        return len(events)

    def _keep(self, events: Sequence[EventFrame]) -> None:
        self._recent += events
        self._until = events[-1].place
        self._bytes += sum(len(event.frame) for event in events)
        while len(self._recent) > _KEPT or self._bytes > _KEPT_BYTES:
            self._forget(len(self._recent) // 2 + 1)

    def _forget(self, count: int) -> None:
        """The oldest; whoever has not had them reads them for himself."""
        self._since = self._recent[count - 1].place
        self._bytes -= sum(len(event.frame) for event in self._recent[:count])
        del self._recent[:count]

    def _announce(self) -> None:
        """Wake everybody who waits; who comes next waits for the next news."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    def close(self) -> None:
        """End all streams: their clients go on elsewhere."""
        self._closed = True
        self._announce()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Holds the place of one stream; raises Problem 503 where there is none."""
        if self._closed or self.streams >= _MOST_STREAMS:
            again = {"Retry-After": "5"}
            raise Problem(503, "too_many_streams", "too many streams are open here; try again", headers=again)
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1

    async def stream(self, place: Place) -> AsyncGenerator[bytes, None]:
        """Everything after the place, for a while, to whoever is `listening`; a database that is away is waited for."""
        yield _AGAIN
        end = time.monotonic() + self._longest
        while not self._closed and time.monotonic() < end:
            news = self._news  # before reading: what comes meanwhile must not go unheard
            events = await self._after(place)
            if events:
                place = events[-1].place
                for piece in _pieces(events):
                    yield piece
                continue
            await wait_until_set(news, _HEARTBEAT if events is not None else _RETRY)
            if not news.is_set():
                yield b": nothing new\n\n"

    async def _after(self, place: Place) -> Sequence[EventFrame] | None:
        """The next events, if there are any; None where the database does not answer."""
        if self._following and place >= self._since:
            first = bisect_right(self._recent, place, key=_place)
            return self._recent[first : first + _BATCH]
        try:
            async with acquire(self._pool) as db:
                return [*map(_told, await tail(db, *place, _BATCH))]
        except UNAVAILABLE:
            return None


def _pieces(events: Sequence[EventFrame]) -> Iterator[bytes]:
    """Small ones together, large ones each by itself."""
    piece = bytearray()
    for event in events:
        piece += event.frame
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
