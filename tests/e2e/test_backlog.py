"""A backlog stays in the database: the broker holds a bounded part, in order of priority, and nothing is sent twice."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
from aio_pika.abc import AbstractChannel

from duebook_common.broker.topology import work_queue
from support.fleet import Platform, eventually
from support.histories import on_channel
from support.load import launch

_DUE, _AHEAD, _LEASE = 50_000, 10_000, 3


def test_fifty_thousand_due_at_once_flood_neither_the_broker_nor_the_log(platform: Platform) -> None:
    platform.environment |= {"DUEBOOK_LEASE": f"PT{_LEASE}S", "DUEBOOK_TASKS": "user_tasks"}
    launch(platform, api=1)
    submit(platform, [{"name": "one of many", "task": "nap", "payload": {"seconds": 1}}] * 1000, _DUE // 1000)
    platform.start("executor", DUEBOOK_CONCURRENCY="5")
    platform.start("scheduler")
    eventually(lambda: _bounded(platform) > 0.95 * _AHEAD, 120, lambda: str(counted(platform)))
    # By now the first runs are unheard; two leases later the last ones of this batch would be as well.
    (until,) = ask(platform, f"SELECT clock_timestamp() + interval '{2 * _LEASE + 1} seconds' AS time")
    eventually(lambda: _bounded(platform) and ask(platform, "SELECT $1 < clock_timestamp() AS past", *until)[0]["past"])
    told = counted(platform)
    assert told.keys() <= {"JobCreated", "JobFinished", "RunDispatched", "AttemptStarted", "AttemptSucceeded"}
    assert told["JobCreated"] == _DUE
    assert told["RunDispatched"] == told["JobFinished"] <= 1.05 * _AHEAD + told["AttemptStarted"]
    assert 0 < told["AttemptSucceeded"] <= told["AttemptStarted"] <= told["AttemptSucceeded"] + 5


def _bounded(platform: Platform) -> int:
    """How many runs were dispatched and not started; asserts that never too many stand ahead, in RabbitMQ too."""
    (row,) = ask(platform, "SELECT count(*) AS ahead FROM runs WHERE status = 'dispatched'")
    ahead: int = row["ahead"]
    assert max(ahead, messages(platform, "default")) <= 1.05 * _AHEAD
    return ahead


def test_of_a_backlog_higher_priorities_are_dispatched_first(platform: Platform) -> None:
    platform.environment["DUEBOOK_TASKS"] = "user_tasks"
    launch(platform, api=1)
    jobs = [{"name": str(priority), "task": "nap", "priority": priority} for priority in [0, 4, 9] * 6]
    submit(platform, jobs)
    platform.start("executor", DUEBOOK_CONCURRENCY="1")
    platform.start("scheduler", DUEBOOK_DISPATCH_AHEAD="5")
    eventually(lambda: counted(platform)["AttemptSucceeded"] == 18, 90, lambda: str(counted(platform)))
    order = ask(platform, _ORDER)
    assert [row["name"] for row in order] == ["9"] * 6 + ["4"] * 6 + ["0"] * 6


_ORDER = """
SELECT runs.job_name AS name FROM events JOIN runs ON events.stream = 'run-' || runs.run_id
WHERE type = 'AttemptStarted' ORDER BY events.recorded_at, events.position
"""


def submit(platform: Platform, jobs: list[dict[str, Any]], times: int = 1) -> None:
    api = platform.api  # one for both threads

    def post(_: int) -> None:
        api.post("/api/job/batch", json={"jobs": jobs}).raise_for_status()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(post, range(times)))


def ask(platform: Platform, query: str, *arguments: Any) -> list[Any]:
    """Rows of the database."""

    async def fetch() -> list[Any]:
        db = await asyncpg.connect(platform.environment["DUEBOOK_POSTGRES_URL"], timeout=5)
        try:
            return list(await db.fetch(query, *arguments))
        finally:
            await db.close()

    return asyncio.run(fetch())


def counted(platform: Platform) -> Counter[str]:
    """Events of the log by type."""
    return Counter(
        {row["type"]: row["n"] for row in ask(platform, "SELECT type, count(*) AS n FROM events GROUP BY 1")}
    )


def messages(platform: Platform, queue: str) -> int:
    """How many messages the work queue holds, as the broker last counted."""

    async def look(channel: AbstractChannel) -> int:
        return (await channel.declare_queue(work_queue(queue), passive=True)).declaration_result.message_count or 0

    return on_channel(platform.environment["DUEBOOK_RABBITMQ_URL"], look)
