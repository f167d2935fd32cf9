"""The fields of a job that its request left out, as the API answers them."""

from typing import Any

DEFAULTS: dict[str, Any] = {
    "task": "log",
    "payload": {},
    "recurrence": "none",
    "timezone": "UTC",
    "dst": {"gap": "run_after", "fold": "first"},
    "ends_at": None,
    "max_runs": None,
    "max_retries": 3,
    "backoff": {"initial": "PT1S", "factor": 2, "max": "PT1H", "jitter": 0.2},
    "timeout": "PT5M",
    "start_within": None,
    "jitter": None,
    "keep": None,
    "pause_on_failure": False,
    "overlap": "skip",
    "catch_up": {"policy": "latest", "window": "P365D"},
    "queue": "default",
    "priority": 4,
    "concurrency": None,
    "rate": None,
    "notify": {"to": [], "on": ["succeeded", "dead_lettered"]},
    "then": [],
    "key": None,
    "tags": [],
    "metadata": {},
}
