"""The jobs of the soak: most once and at once, some ahead, some recurring, some that fail, and a few dead letters."""

import asyncio
import itertools
import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

TICK = 0.1  # seconds from one batch of jobs to the next
EVERY = 5  # seconds from one occurrence of a series to the next
SERIES_SHARE = 6  # of so many runs one is that of a series
_TIDY_SECONDS, _RESTS_SECONDS = 60, 300
_BACKOFF = {"initial": "PT1S", "factor": 2, "max": "PT10S"}


def one_off(n: int, now: datetime) -> dict[str, Any]:
    """The n-th job. Of 400 one fails for good, 16 fail first, 40 write log lines, 40 are due within a minute."""
    match n % 400:
        case 0:
            return {"name": "doomed", "task": "bench.doomed", "max_retries": 0, "notify": {"to": ["ops@example.org"]}}
        case kind if kind <= 16:
            return {"name": "flaky", "task": "bench.flaky", "max_retries": 3, "backoff": _BACKOFF}
        case kind if kind <= 56:
            return {"name": "talking", "task": "bench.talking", "payload": n}
        case kind if kind <= 96:
            later = now + timedelta(seconds=1 + n % 60)
            return {"name": "later", "task": "bench.instant", "scheduled_at": later.isoformat()}
        case kind if kind <= 136:
            return {"name": "large", "task": "bench.instant", "payload": {"text": "x" * 1000}}
        case _:
            return {"name": "at once", "task": "bench.instant"}


def series(rate: float, now: datetime) -> list[dict[str, Any]]:
    """Jobs that together have a sixth of the rate, evenly spread."""
    count = int(rate / SERIES_SHARE * EVERY)
    start, common = now + timedelta(seconds=5), {"task": "bench.instant", "recurrence": {"every": f"PT{EVERY}S"}}
    firsts = [start + timedelta(seconds=EVERY * n / count) for n in range(count)]
    return [common | {"name": "series", "scheduled_at": first.isoformat()} for first in firsts]


def created_by(rate: float, tick: int) -> int:
    """How many one-off jobs the rate wants in so many ticks, so that no tick loses a part of a job."""
    return math.floor(rate * (1 - 1 / SERIES_SHARE) * TICK * tick + 1e-6)


class Load:
    """Creates jobs at a rate until it is stopped. What it cannot create in time follows as soon as it can.

    `lost` counts the requests that had no answer, or one that says to come back later. `posts` has for each batch the
    second since `began` in which it was planned, and how many milliseconds later it was sent and answered: a batch that
    waits for the one before is late, although its own request may be quick.
    """

    def __init__(self, url: str, rate: float, began: float) -> None:
        self._api, self._rate = httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False), rate
        self._stopped, self.created, self.lost, self._began = asyncio.Event(), 0, 0, began
        self.posts: list[tuple[float, float, float]] = []

    async def run(self) -> None:
        async with self._api, asyncio.TaskGroup() as tasks:
            await self._post("/api/job/batch", {"jobs": series(self._rate, datetime.now(UTC))})
            tasks.create_task(self._tidy())
            start = time.monotonic()
            for tick in itertools.count(1):
                planned = start + tick * TICK
                await asyncio.sleep(max(0.0, planned - time.monotonic()))
                if self._stopped.is_set():
                    return
                await self._create(tick, planned)

    def stop(self) -> None:
        """Create no more jobs. Those that recur go on."""
        self._stopped.set()

    async def _create(self, tick: int, planned: float) -> None:
        first, self.created = self.created, created_by(self._rate, tick)
        if first == self.created:
            return
        now, sent = datetime.now(UTC), time.monotonic()
        await self._post("/api/job/batch", {"jobs": [one_off(n, now) for n in range(first, self.created)]})
        sent_late, answered_late = (round((each - planned) * 1000, 1) for each in (sent, time.monotonic()))
        self.posts.append((round(planned - self._began, 1), sent_late, answered_late))

    async def _tidy(self) -> None:
        """Discard dead letters that have rested for five minutes, as people do."""
        while not self._stopped.is_set():
            before = (datetime.now(UTC) - timedelta(seconds=_RESTS_SECONDS)).isoformat()
            which = {"action": "discard", "filter": {"finished_to": before}, "reason": "of no use any more"}
            await self._post("/api/bulk", which)
            for _ in range(_TIDY_SECONDS):
                if not self._stopped.is_set():
                    await asyncio.sleep(1)

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        try:
            answer = await self._api.post(path, json=body)
        except httpx2.TransportError:
            self.lost += 1
            return
        if answer.status_code in {429, 503}:
            self.lost += 1
        elif answer.is_error:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:500]}")
