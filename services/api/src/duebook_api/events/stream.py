"""One client's stream of events over HTTP."""

import asyncio
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from duebook_api.state.feed import Feed, Place

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_PATIENCE = 30.0  # seconds


class EventStream(StreamingResponse):
    """Holds its place in the feed from its first word to its last, however it ends; raises Problem 503 for want of one.

    A client that takes nothing for half a minute is as good as gone: it comes again, and misses nothing.
    """

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, place: Place) -> None:
        super().__init__(feed.stream(place), headers=HEADERS)
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def patiently(message: Message) -> None:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        with self._feed.listening(), suppress(ClientDisconnect):
            await super().__call__(scope, receive, patiently)
