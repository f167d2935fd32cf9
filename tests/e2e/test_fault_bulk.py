"""A bulk operation survives the death of api and scheduler: each run once, true progress, an abort stops it at once.

`DUEBOOK_TEST_BULK=20000` is the full size.
"""

import asyncio
import os
import time
from datetime import datetime
from typing import Any, NamedTuple

from duebook_common.integrity.verify import verify
from duebook_common.store.database import connect
from support.fleet import Platform, eventually
from support.load import launch
from support.silence import SHARED_CORES

_RUNS = int(os.environ.get("DUEBOOK_TEST_BULK", "3000"))
_BATCH = 1_000
_COUNTS = """
SELECT (SELECT done FROM bulk_progress WHERE bulk_id = $1::uuid) AS done,
       count(*) AS acts, count(DISTINCT stream) AS runs, max(recorded_at) AS last
FROM events WHERE meta ->> 'bulk' = $1::text AND type = 'RunCancelled'
"""


class Counts(NamedTuple):
    """What the progress says, and what the log has, at the same instant."""

    done: int
    acts: int
    runs: int
    last: datetime | None


def counts(platform: Platform, bulk: dict[str, Any]) -> Counts:
    found = Counts(*platform.query(_COUNTS, bulk["id"])[0])
    assert found.done == found.acts == found.runs
    return found


def make_waiting_runs(platform: Platform) -> None:
    """Runs that wait for an executor, half of them of one tenant that is to be cancelled, half of another."""
    for first in range(0, _RUNS, _BATCH):
        tags = [["tenant-7"] if n < _RUNS // 2 else ["tenant-8"] for n in range(first, min(first + _BATCH, _RUNS))]
        jobs = [{"name": f"job {first + n}", "queue": "unserved", "tags": each} for n, each in enumerate(tags)]
        platform.api.post("/api/job/batch", json={"jobs": jobs}).raise_for_status()
    waiting = "SELECT count(*) FROM runs WHERE status = 'waiting'"
    eventually(lambda: platform.query(waiting)[0][0] == _RUNS, 120)


def cancel(platform: Platform, tag: str, seconds: int) -> dict[str, Any]:
    """At a rate by which it takes so many seconds, so that it goes on when the kill or the abort comes."""
    wanted = {"tag": tag, "status": "waiting"}
    body = {"action": "cancel", "filter": wanted, "reason": "the tenant has left", "rate": _RUNS / 2 / seconds}
    bulk: dict[str, Any] = platform.api.post("/api/bulk", json=body).raise_for_status().json()
    assert bulk["matched"] == _RUNS // 2
    return bulk


def test_runs_are_cancelled_once_although_api_and_scheduler_are_killed(platform: Platform) -> None:
    launch(platform, api=1, scheduler=2)
    make_waiting_runs(platform)
    bulk = cancel(platform, "tenant-7", 12)
    eventually(lambda: counts(platform, bulk).done > 0)
    for service in platform.services.values():
        service.kill()
    begun = counts(platform, bulk)
    assert 0 < begun.done < bulk["matched"]
    for service in (platform["api", 0], platform["scheduler", 0]):
        service.start()
        service.await_ready()
    shown = eventually(lambda: _ended(platform, bulk), 120)
    assert (shown["done"], shown["left"], shown["refused"]) == (bulk["matched"], 0, 0)
    assert counts(platform, bulk).runs == bulk["matched"]

    other = cancel(platform, "tenant-8", 60)
    eventually(lambda: counts(platform, other).done > 0)
    began = time.monotonic()
    aborted = platform.api.post(f"/api/bulk/{other['id']}/abort", json={"reason": "the wrong tenant"}).json()
    assert time.monotonic() - began < 5 * SHARED_CORES  # a second on a machine that does nothing else
    assert aborted["status"] == "aborted"
    assert counts(platform, other).done == aborted["done"] < other["matched"]
    asyncio.run(_verify(platform))
    assert counts(platform, other).done == aborted["done"]


def _ended(platform: Platform, bulk: dict[str, Any]) -> dict[str, Any] | None:
    counts(platform, bulk)
    shown: dict[str, Any] = platform.get(f"/api/bulk/{bulk['id']}")
    return shown if shown["status"] == "ended" else None


async def _verify(platform: Platform) -> None:
    async with connect(platform.environment["DUEBOOK_POSTGRES_URL"], "test") as pool:
        assert (await verify(pool)).breaches == []
