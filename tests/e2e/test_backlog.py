"""A backlog stays in the database: RabbitMQ holds a bounded part of it by priority, and nothing is sent twice."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aio_pika.abc import AbstractChannel

from duebook_common.broker.topology import work_queue
from support.amqp import on_channel
from support.fleet import Platform, eventually
from support.load import launch

_DUE, _AHEAD, _LEASE = 8_000, 2_000, 5


def test_thousands_of_due_jobs_flood_neither_the_broker_nor_the_log(platform: Platform) -> None:
    platform.environment |= {"DUEBOOK_LEASE": f"PT{_LEASE}S", "DUEBOOK_TASKS": "user_tasks"}
    launch(platform, api=1)
    submit(platform, [{"name": "one of many", "task": "nap", "payload": {"seconds": 1}}] * 1000, _DUE // 1000)
    platform.start("executor", DUEBOOK_CONCURRENCY="5")
    platform.start("scheduler", DUEBOOK_DISPATCH_AHEAD=str(_AHEAD))
    eventually(lambda: _ahead(platform) > 0.95 * _AHEAD, 120, lambda: str(event_counts(platform)))
    # By now the first runs are overdue; after two more leases the last runs of this batch would be overdue too.
    (until,) = platform.query(f"SELECT clock_timestamp() + interval '{2 * _LEASE + 1} seconds' AS time")
    eventually(
        lambda: _ahead(platform) > 0 and platform.query("SELECT $1 < clock_timestamp() AS past", *until)[0]["past"]
    )
    counts = event_counts(platform)
    assert counts.keys() <= {"JobCreated", "RunDispatched", "AttemptStarted", "AttemptSucceeded"}
    assert counts["JobCreated"] == _DUE
    assert counts["RunDispatched"] <= 1.05 * _AHEAD + counts["AttemptStarted"]
    assert 0 < counts["AttemptSucceeded"] <= counts["AttemptStarted"] <= counts["AttemptSucceeded"] + 5


def _ahead(platform: Platform) -> int:
    """The number of dispatched runs that have not started; asserts that it is bounded, in RabbitMQ too."""
    (row,) = platform.query("SELECT count(*) AS ahead FROM runs WHERE status = 'dispatched'")
    ahead: int = row["ahead"]
    assert max(ahead, queue_length(platform, "default")) <= 1.05 * _AHEAD
    return ahead


def test_higher_priorities_of_a_backlog_are_dispatched_first(platform: Platform) -> None:
    platform.environment["DUEBOOK_TASKS"] = "user_tasks"
    launch(platform, api=1)
    jobs = [{"name": str(priority), "task": "nap", "priority": priority} for priority in [0, 4, 9] * 6]
    submit(platform, jobs)
    platform.start("executor", DUEBOOK_CONCURRENCY="1")
    platform.start("scheduler", DUEBOOK_DISPATCH_AHEAD="5")
    eventually(lambda: event_counts(platform)["AttemptSucceeded"] == 18, 90, lambda: str(event_counts(platform)))
    started = platform.query(_STARTED)
    assert [row["name"] for row in started] == ["9"] * 6 + ["4"] * 6 + ["0"] * 6


_STARTED = """
SELECT runs.job_name AS name FROM events JOIN runs ON events.stream = 'run-' || runs.run_id
WHERE type = 'AttemptStarted' ORDER BY events.recorded_at, events.position
"""


def submit(platform: Platform, jobs: list[dict[str, Any]], times: int = 1) -> None:
    """Create all these jobs, that many times."""
    api = platform.api  # one client for both threads

    def post(_: int) -> None:
        api.post("/api/job/batch", json={"jobs": jobs}).raise_for_status()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(post, range(times)))


def event_counts(platform: Platform) -> Counter[str]:
    """How many events of each type the log has."""
    return Counter(
        {row["type"]: row["n"] for row in platform.query("SELECT type, count(*) AS n FROM events GROUP BY 1")}
    )


def queue_length(platform: Platform, queue: str) -> int:
    """How many ready messages the work queue has, as the broker last counted."""

    async def look(channel: AbstractChannel) -> int:
        return (await channel.declare_queue(work_queue(queue), passive=True)).declaration_result.message_count or 0

    return on_channel(platform.environment["DUEBOOK_RABBITMQ_URL"], look)
