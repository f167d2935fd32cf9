"""The HTTP response that streams events to one client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from duebook_api.state.feed import Feed

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_SEND_TIMEOUT = 30.0  # seconds


class EventStream(StreamingResponse):
    """Counts as a stream of its client from its first byte to its last; raises Problem 429 or 503 for one too many.

    A client that does not receive for half a minute is disconnected. It can resume after its last position.
    """

    media_type = "text/event-stream"

    def __init__(
        self, feed: Feed, frames: AsyncGenerator[bytes, None], client: str, *, reads_events: bool = True
    ) -> None:
        """`reads_events` is whether the frames come from the feed, which then reads the log for them."""
        super().__init__(frames, headers=HEADERS)
        self._feed, self._client, self._reads_events = feed, client, reads_events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(_SEND_TIMEOUT):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        with self._feed.reserve_stream(self._client, reads_events=self._reads_events), suppress(ClientDisconnect):
            await super().__call__(scope, receive, send_in_time)
