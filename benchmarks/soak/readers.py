"""What waits for the horizon of the log, counted as it comes: outcomes, mails, follow-ups, events of the feed."""

import asyncio
import email
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import aio_pika
import httpx2
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.bench import Bench
from duebook_common.broker.topology import EVENTS
from duebook_common.store.database import Pool

FOLLOWERS = 10
_ENDED = "SELECT count(*) FROM runs WHERE status = 'succeeded'"
_ANNOUNCED = (
    "SELECT count(*) FROM runs JOIN jobs USING (job_id) WHERE runs.status = 'succeeded' AND jobs.name = 'announced'"
)
_FOLLOWED = "SELECT count(*) FROM runs WHERE job_id = ANY($1) AND status = 'succeeded'"
_PAGE, _LOOK = 200, 0.5


class Readers:
    """`announced` jobs are mailed about and followed by another job, one each second."""

    def __init__(self, bench: Bench, pool: Pool) -> None:
        self._pool, self._url = pool, bench.stack.rabbitmq.url
        self._folder = bench.stack.stack_dir.path / "mail"
        self._api = httpx2.AsyncClient(base_url=bench.services["api"].url, timeout=60, trust_env=False)
        self.outcomes: Counter[str] = Counter()
        self.events: Counter[tuple[str, int]] = Counter()
        self.followers: list[str] = []
        self._recipients: dict[str, str] = {}  # by the file of the mail
        self.announced, self._after = 0, "latest"
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self._url)
        channel = await self._connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(EVENTS, "run.succeeded")
        await queue.consume(self._count, no_ack=True)
        later = {"task": "bench.instant", "scheduled_at": "2099-01-01T00:00:00Z", "max_retries": 3}
        for n in range(FOLLOWERS):
            answer = await self._api.post("/api/job", json={"name": f"after {n}", **later})
            self.followers.append(answer.raise_for_status().json()["id"])
        self._after = (await self._api.get("/api/events?after=latest")).json()["position"]
        self._tasks.append(asyncio.create_task(self._follow_feed()))
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._connection.close()
        await self._api.aclose()

    async def announce(self) -> None:
        """Create a announced job each second, without an end."""
        while True:
            then = [{"job": self.followers[self.announced % FOLLOWERS], "on": ["succeeded"]}]
            notify = {"to": [f"user{self.announced}@example.org"], "on": ["succeeded"]}
            job = {"name": "announced", "task": "bench.instant", "notify": notify, "then": then}
            with suppress(httpx2.TransportError):
                (await self._api.post("/api/job", json=job)).raise_for_status()
                self.announced += 1
            await asyncio.sleep(1)

    @property
    def mails(self) -> int:
        """How many recipients of announced jobs have a mail."""
        for mail in self._folder.glob("*.eml"):
            if mail.name not in self._recipients:
                self._recipients[mail.name] = str(email.message_from_bytes(mail.read_bytes())["To"])
        return sum(recipient.startswith("user") for recipient in set(self._recipients.values()))

    async def followed(self) -> int:
        count: int = await self._pool.fetchval(_FOLLOWED, self.followers)
        return count

    async def caught_up(self, seconds: float) -> dict[str, float]:
        """How long it takes from now until each has what there is now; those that take longer are not in it."""
        start, succeeded = time.monotonic(), await self._pool.fetchval(_ENDED)
        announced, last = (
            await self._pool.fetchval(_ANNOUNCED),
            await self._pool.fetchval("SELECT max(position) FROM events"),
        )
        done: dict[str, Callable[[], Awaitable[bool]]] = {
            "outcomes": _at_least(lambda: len(self.outcomes), succeeded),
            "mails": _at_least(lambda: self.mails, announced),
            "events": _at_least(lambda: int(self._after.split("-")[1]), last),
        }
        found: dict[str, float] = {}
        while len(found) < len(done) + 1 and time.monotonic() < start + seconds:
            now = round(time.monotonic() - start, 1)
            found |= {name: now for name, reached in done.items() if name not in found and await reached()}
            if "follow-ups" not in found and await self.followed() >= announced:
                found["follow-ups"] = now
            await asyncio.sleep(_LOOK)
        return found

    async def complete(self, seconds: float) -> bool:
        """Wait until everything has come; returns whether it has, each once."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            here = (len(self.outcomes), self.mails, await self.followed())
            if here == (await self._pool.fetchval(_ENDED), self.announced, self.announced):
                break
            await asyncio.sleep(_LOOK)
        else:
            return False
        return not any(self._repeated())

    def says(self) -> list[str]:
        twice = self._repeated()
        return [
            f"announced {self.announced}; outcomes {len(self.outcomes)}, mails {self.mails}, events {len(self.events)}",
            f"repeated: outcomes {twice[0]}, mails {twice[1]}, events {twice[2]}",
        ]

    def _repeated(self) -> list[int]:
        """How many outcomes, mails and events came again."""
        mails = Counter(to for to in self._recipients.values() if to.startswith("user"))
        return [sum(count - 1 for count in each.values()) for each in (self.outcomes, mails, self.events)]

    async def _count(self, message: AbstractIncomingMessage) -> None:
        self.outcomes[message.message_id or ""] += 1

    async def _follow_feed(self) -> None:
        """Read the feed to its end, again and again."""
        while True:
            with suppress(httpx2.TransportError):
                answer = await self._api.get(f"/api/events?limit={_PAGE}&after={self._after}")
                page: Any = answer.raise_for_status().json()
                self.events.update((event["stream"], event["version"]) for event in page["items"])
                self._after = page["position"]
                if page["next_cursor"]:
                    continue
            await asyncio.sleep(1)


def _at_least(value: Callable[[], int], wanted: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return value() >= wanted

    return reached
