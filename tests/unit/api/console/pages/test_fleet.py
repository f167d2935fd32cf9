from datetime import UTC, datetime
from typing import Any

from duebook_api.console.pages.fleet import change_set, effect
from duebook_api.console.pages.times import Times

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
TIMES = Times(NOON, "UTC", None)


def _forecast(runs: int, at_once: int, added: int = 0, removed: int = 0) -> dict[str, Any]:
    return {
        "hours": [{"at": NOON, "runs": runs}],
        "queues": [{"queue": "mail", "peak": {"p95": {"runs": at_once}}}],
        "added": {"count": added},
        "removed": {"count": removed},
    }


def test_the_effect_names_times_the_busiest_hour_and_the_queue() -> None:
    assert effect(_forecast(12, 3, added=5, removed=1), _forecast(8, 2), TIMES) == [
        "5 times added and 1 time removed in the next 7 days.",
        "The busiest hour of all jobs begins Thu 26 Nov 12:00 +00:00: 12 runs, 8 runs without the change.",
        "In the queue mail up to 3 runs at once instead of 2.",
    ]


def test_a_change_without_effect_says_so() -> None:
    assert effect(_forecast(8, 2), _forecast(8, 2), TIMES)[0] == "No time is added or removed in the next 7 days."
    assert change_set({}, "id", {"tags": ["a"]}) == []


def test_only_what_concerns_times_and_queues_is_forecast() -> None:
    body = {"name": "", "recurrence": "daily", "payload": {"n": 1}, "queue": "mail"}
    assert change_set(body, None, {}) == [{"create": {"name": "-", "recurrence": "daily", "queue": "mail"}}]
    assert change_set(body, "id", body) == [{"job_id": "id", "patch": {"recurrence": "daily", "queue": "mail"}}]
