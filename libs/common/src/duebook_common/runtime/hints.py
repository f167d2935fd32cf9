"""Hints over Redis: "something is due now", "cancel this run". A lost hint only delays: processes also poll.

Publishing never delays or fails its caller: a background task sends the pending hints, equal ones once.
"""

import asyncio
from collections.abc import Callable
from typing import Self
from uuid import UUID

import redis.asyncio as redis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from duebook_common.runtime.redis_errors import REDIS_FAILED

log = structlog.stdlib.get_logger("hints")

WAKE = "duebook:wake"
CANCEL = "duebook:cancel"

_TIMEOUT_SECONDS = 1.0  # a later hint is of no use
_MOST_PENDING = 1_000
_SILENT_SECONDS = 10.0  # a subscription that is silent for so long gets a ping


class Hints:
    """Publishes and receives hints. To be created in the running event loop; close it, or use it as a context."""

    def __init__(self, url: str) -> None:
        # One retry, because a connection that died while idle fails only at its next use.
        self._redis: redis.Redis = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 1)
        )
        self._pending: dict[tuple[str, str], None] = {}  # a dict as an ordered set
        self._publisher: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Hint that something is due now, or that the next due time has changed."""
        self._publish(WAKE, "")

    def cancel(self, run_id: UUID) -> None:
        """Hint that the cancellation of this run is requested."""
        self._publish(CANCEL, str(run_id))

    def _publish(self, channel: str, data: str) -> None:
        if len(self._pending) < _MOST_PENDING:
            self._pending[channel, data] = None
        if self._publisher is None or self._publisher.done():
            self._publisher = asyncio.create_task(self._publish_pending(), name="hints")

    async def _publish_pending(self) -> None:
        while self._pending:
            hints, self._pending = self._pending, {}
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS), self._redis.pipeline(transaction=False) as pipe:
                    for channel, data in hints:
                        pipe.publish(channel, data)
                    await pipe.execute()
            except Exception as error:  # a lost hint is no failure: processes also poll
                log.debug("hints lost", count=len(hints), error=error)

    async def listen(self, event: asyncio.Event) -> None:
        """Set the event at each wake hint, until cancelled; also after a reconnect: a hint may have been lost."""
        await self._subscribe(WAKE, lambda _: event.set(), event.set)

    async def listen_cancels(self, on_cancel: Callable[[UUID], None]) -> None:
        """Call `on_cancel` with the run of each cancel hint, until cancelled."""

        def parse(data: str) -> None:
            try:
                on_cancel(UUID(data))
            except ValueError:
                log.debug("unreadable hint ignored", channel=CANCEL)

        await self._subscribe(CANCEL, parse, lambda: None)

    async def _subscribe(self, channel: str, on_message: Callable[[str], None], on_connect: Callable[[], None]) -> None:
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(channel)
                    on_connect()
                    await _receive(subscription, on_message)
            except REDIS_FAILED as error:
                log.debug("subscription lost", channel=channel, error=error)
                await asyncio.sleep(_TIMEOUT_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Finish a publish under way, then close the connections."""
        if self._publisher is not None:
            await self._publisher
        await self._redis.aclose()


async def _receive(subscription: "redis.client.PubSub", on_message: Callable[[str], None]) -> None:
    """Pass on messages until the connection fails; raises redis.ConnectionError if it does not answer a ping."""
    pinged = False
    while True:
        message = await subscription.get_message(timeout=_SILENT_SECONDS)
        if message is not None:
            pinged = False
            if message["type"] == "message":
                on_message(message["data"].decode(errors="replace"))
        elif pinged:
            raise redis.ConnectionError("the subscription does not answer a ping")
        else:
            await subscription.ping()
            pinged = True
