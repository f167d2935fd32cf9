"""Hints over Redis: work is due now, a run is to be cancelled. Whoever misses one finds out a little later.

Publishing never delays or fails its caller: one background task sends what has gathered, equal hints once.
"""

import asyncio
from collections.abc import Callable
from typing import Self
from uuid import UUID

import redis.asyncio as redis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

log = structlog.stdlib.get_logger("hints")

WAKE = "duebook:wake"
CANCEL = "duebook:cancel"

_SECONDS = 1.0  # that long a hint may take; a later one is worth nothing
_GATHERED = 1_000  # with Redis away no more than that is kept
_SILENCE = 10.0  # a subscription that has been silent for so long is asked whether it still lives


class Hints:
    """One process's side of the hints. Make it inside the running loop; close it, or enter and leave it."""

    def __init__(self, url: str) -> None:
        # A connection that died while it was idle is found out by its use: hence one repeat.
        self._redis: redis.Redis = redis.Redis.from_url(
            url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, retry=Retry(NoBackoff(), 1)
        )
        self._gathered: dict[tuple[str, str], None] = {}
        self._sending: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Something is due now, or the next due time has changed."""
        self._send(WAKE, "")

    def cancel(self, run_id: UUID) -> None:
        """The run is asked to stop."""
        self._send(CANCEL, str(run_id))

    def _send(self, channel: str, data: str) -> None:
        if len(self._gathered) < _GATHERED:
            self._gathered[channel, data] = None
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._publish(), name="hints")

    async def _publish(self) -> None:
        while self._gathered:
            hints, self._gathered = self._gathered, {}
            try:
                async with asyncio.timeout(_SECONDS), self._redis.pipeline(transaction=False) as pipe:
                    for channel, data in hints:
                        pipe.publish(channel, data)
                    await pipe.execute()
            except Exception as error:  # a hint is never worth a failure
                log.debug("hints lost", count=len(hints), error=repr(error))

    async def listen(self, event: asyncio.Event) -> None:
        """Set the event at each wake, for ever; also after each reconnect, since one may have been missed."""
        await self._subscribe(WAKE, lambda _: event.set(), event.set)

    async def listen_cancels(self, heard: Callable[[UUID], None]) -> None:
        """Call back with each run that is to be cancelled, for ever."""

        def parse(data: str) -> None:
            try:
                heard(UUID(data))
            except ValueError:
                log.debug("hint unreadable", channel=CANCEL)

        await self._subscribe(CANCEL, parse, lambda: None)

    async def _subscribe(self, channel: str, heard: Callable[[str], None], connected: Callable[[], None]) -> None:
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(channel)
                    connected()
                    await _receive(subscription, heard)
            except (redis.RedisError, OSError) as error:
                log.debug("subscription lost", channel=channel, error=repr(error))
                await asyncio.sleep(_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let a hint under way go out, then close the connections."""
        if self._sending is not None:
            await self._sending
        await self._redis.aclose()


async def _receive(subscription: "redis.client.PubSub", heard: Callable[[str], None]) -> None:
    """Hand on messages for as long as the connection answers."""
    asked = False
    while True:
        message = await subscription.get_message(timeout=_SILENCE)
        if message is not None:
            asked = False
            if message["type"] == "message":
                heard(message["data"].decode(errors="replace"))
        elif asked:
            raise redis.ConnectionError("the subscription is silent and does not answer a ping")
        else:
            await subscription.ping()
            asked = True
