"""What the objects of requests and answers are, where their models do not say so, and examples of request bodies."""

from datetime import UTC, datetime
from typing import Any

SCHEMAS: dict[str, str] = {
    "AffectedJob": "A job with a time in the gap or fold of a change of the clocks.",
    "Backoff": "The delays between attempts.",
    "BackfillBody": "A range of past nominal times.",
    "BackoffBody": "The delays between attempts.",
    "BatchBody": "Several jobs.",
    "CatchUp": "What happens to missed occurrences.",
    "CatchUpBody": "What happens to missed occurrences.",
    "ClockChange": "A change of the clocks in one time zone.",
    "Concurrency": "A limit that runs of several jobs may share.",
    "ConcurrencyBody": "A limit that runs of several jobs may share.",
    "Cron": "A recurrence by a cron expression.",
    "DeadLetterFilter": "Which dead letters; each field narrows the choice.",
    "Dst": "What becomes of times that the clocks leave out or repeat.",
    "DstBody": "What becomes of times that the clocks leave out or repeat.",
    "Every": "A recurrence by an interval.",
    "Forecast": "The runs of a window.",
    "Hour": "An hour that has runs.",
    "JobStatus": "What has become of a job.",
    "NominalTime": "A nominal time of a job.",
    "NominalTimes": "Nominal times of several jobs.",
    "Notify": "Who is mailed about which outcomes.",
    "NotifyBody": "Who is mailed about which outcomes.",
    "Peak": "The most runs at once.",
    "Peaks": "The most runs at once, by measured durations.",
    "Preview": "The next times of a schedule.",
    "Problem": "An error (RFC 9457).",
    "QueueCounts": "The runs of a queue, by state.",
    "QueueForecast": "The runs of a queue.",
    "RedriveBody": "A redrive of one dead letter.",
    "RedriveManyBody": "A redrive of all dead letters that match.",
    "RedriveSummary": "What a redrive of many did, or would do.",
    "Rrule": "A recurrence by a rule.",
    "Run": "A run of a job.",
    "RunStatus": "What has become of a run.",
    "RunWithPayload": "A run of a job, with its payload if the key may read payloads.",
    "Trigger": "What made a run.",
    "TriggerBody": "A run to be started now; all fields may be left out.",
    "Why": "An explanation.",
}

_NEXT_YEAR = datetime.now(UTC).year + 1  # a forecast looks ten years ahead
_JOB: dict[str, Any] = {
    "name": "nightly report",
    "payload": {"text": "hello"},
    "scheduled_at": "2100-01-04T02:00:00Z",
    "recurrence": {"cron": "0 2 * * 1-5"},
    "timezone": "Europe/Berlin",
    "notify": {"to": ["ops@example.com"]},
}
BODIES: dict[str, Any] = {
    "JobBody": _JOB,
    "KeyBody": {"name": "ci", "scopes": ["jobs:write", "runs:read"], "expires_in": "P90D"},
    "RevokeBody": {"reason": "its holder has left"},
    "BatchBody": {"jobs": [_JOB, {"name": "once", "scheduled_at": "2100-01-04T02:00:00Z"}]},
    "ReasonBody": {"reason": "maintenance"},
    "PauseBody": {"reason": "stop the bleeding", "hold": True},
    "MustReasonBody": {"reason": "obsolete"},
    "TriggerBody": {"payload": {"text": "now"}},
    "BackfillBody": {"from": "2099-01-01T00:00:00Z", "to": "2099-02-01T00:00:00Z"},
    "RedriveBody": {"reason": "the target is back"},
    "BulkBody": {"action": "cancel", "filter": {"tag": "tenant-7"}, "reason": "the tenant has left", "dry_run": True},
    "RedriveManyBody": {"filter": {"task": "http.request"}, "reason": "the target is back", "rate": 5, "dry_run": True},
    "PreviewBody": {"recurrence": {"cron": "0 2 * * 1-5"}, "timezone": "Europe/Berlin", "count": 3},
    "ForecastBody": {
        "from": f"{_NEXT_YEAR}-01-01T00:00:00Z",
        "to": f"{_NEXT_YEAR}-02-01T00:00:00Z",
        "changes": [{"create": {"name": "nightly report", "recurrence": "daily"}}],
    },
    "ForecastFilter": {"queue": "default"},
    "DeadLetterFilter": {"task": "http.request"},
    "ChangeBody": {"create": {"name": "nightly report", "recurrence": "daily"}},
}
MERGE_PATCH: dict[str, Any] = {"timeout": "PT10M", "max_runs": None}
