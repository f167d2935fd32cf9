"""A subscription outlives every failure of its connection."""

import asyncio
from typing import Any, Self

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from duebook_common.runtime import hints as module
from duebook_common.runtime.hints import Hints


class _Subscription:
    """Fails at first; after that it is subscribed and silent."""

    def __init__(self, failures: list[Exception]) -> None:
        self._failures = failures

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def subscribe(self, _channel: str) -> None:
        if self._failures:
            raise self._failures.pop()

    async def get_message(self, **_: Any) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    "failure",
    [RedisConnectionError("refused"), OSError("reset"), RuntimeError("unable to perform operation: handler is closed")],
)
async def test_a_subscription_begins_again_after_a_failure(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.01)
    failures = [failure]
    async with Hints("redis://127.0.0.1:1") as hints:
        monkeypatch.setattr(hints._redis, "pubsub", lambda: _Subscription(failures))
        connected = asyncio.Event()
        listening = asyncio.create_task(hints.listen(connected))
        async with asyncio.timeout(60):
            await connected.wait()
        assert not listening.done()
        listening.cancel()
    assert failures == []
