"""What the API tells of runs and jobs, and times to ask it with."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, HeadersType

from duebook_common.broker.topology import RUNS
from support.fleet import Platform

T = TypeVar("T")
Events = list[dict[str, Any]]


def events(platform: Platform, run_id: str) -> Events:
    """A run's, oldest first."""
    told: Events = platform.get(f"/api/run/{run_id}/events?limit=200")["items"]
    return told


def types(platform: Platform, run_id: str) -> list[str]:
    return [event["type"] for event in events(platform, run_id)]


def job_events(platform: Platform, job_id: str) -> Events:
    told: Events = platform.get(f"/api/job/{job_id}/events?limit=200")["items"]
    return told


def log(platform: Platform, job_id: str) -> list[tuple[str, str]]:
    """Status and message of a job's log, oldest first."""
    items = platform.get(f"/api/job-log/job/{job_id}?limit=200")["items"]
    return [(item["status"], item["message"]) for item in reversed(items)]


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def written(told: Events, type_: str) -> list[datetime]:
    """When the events of that type were written."""
    return [when(event["recorded_at"]) for event in told if event["type"] == type_]


def from_now(**delta: float) -> str:
    """A time as a request names it: `from_now(days=-1, seconds=1)`."""
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def executor_of(platform: Platform, queue: str, **environment: str) -> AbstractContextManager[None]:
    """A further executor for that queue, for the length of the block."""
    return _Executor(platform, {"DUEBOOK_QUEUES": queue, **environment})


class _Executor(AbstractContextManager[None]):
    def __init__(self, platform: Platform, environment: dict[str, str]) -> None:
        self._platform, self._environment = platform, environment

    def __enter__(self) -> None:
        (self._service,) = self._platform.start("executor", copies=1, **self._environment)

    def __exit__(self, *_: object) -> None:
        self._service.stop()


def send(url: str, queue: str, *bodies: bytes, headers: HeadersType | None = None, **properties: Any) -> None:
    """Put messages into a work queue, confirmed."""

    async def put() -> None:
        async with await aio_pika.connect(url, timeout=5) as connection, connection.channel() as channel:
            exchange = await channel.get_exchange(RUNS)
            for body in bodies:
                await exchange.publish(aio_pika.Message(body, headers=headers, delivery_mode=2, **properties), queue)

    asyncio.run(put())


def on_channel(url: str, use: Callable[[AbstractChannel], Coroutine[Any, Any, T]]) -> T:
    """What `use` makes of a channel of its own."""

    async def connected() -> T:
        async with await aio_pika.connect(url, timeout=5) as connection, connection.channel() as channel:
            return await use(channel)

    return asyncio.run(connected())
