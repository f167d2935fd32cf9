"""What the fields of bulk operations mean, with an example each."""

from duebook_api.openapi.described import Described

_JOB = "01a218f6-cf4d-72cb-8988-eac87f8c671c"
_AT, _LATER = "2100-01-04T02:00:00Z", "2100-01-04T02:03:20Z"
_ACTION: Described = ("What is done to each target.", "cancel")
_RATE: Described = ("How many targets a second; null for as fast as it can.", 5)
_LIMIT: Described = ("How many targets at most, the oldest first; null for all.", 100)

BULK: dict[str, Described] = {
    "BulkBody.action": _ACTION,
    "BulkBody.filter": ('Which targets; `{"all": true}` for all.', {"tag": "tenant-7"}),
    "BulkBody.reason": ("Why; it is kept in the history of each target.", "the tenant has left"),
    "BulkBody.rate": _RATE,
    "BulkBody.limit": _LIMIT,
    "BulkBody.dry_run": ("Only count the targets.", False),
    "BulkFilterBody.status": ("Only those with this status, or one of these.", "waiting"),
    "BulkFilterBody.name": ("Only jobs with exactly this name.", "nightly report"),
    "BulkFilterBody.job_id": ("Only runs or dead letters of this job.", _JOB),
    "BulkFilterBody.task": ("Only those of this task.", "http.request"),
    "BulkFilterBody.queue": ("Only those of this queue.", "default"),
    "BulkFilterBody.tag": ("Only jobs with this tag, or runs of such jobs.", "tenant-7"),
    "BulkFilterBody.fingerprint": ("Only dead letters with this fingerprint.", "4be5b18d3f0f3a33"),
    "BulkFilterBody.q": ("Only those whose name or error contains this, in capitals or not.", "refused"),
    "BulkFilterBody.trigger": ("Only runs that this has made.", "schedule"),
    "BulkFilterBody.executor": ("Only runs whose last attempt this executor started.", "executor-1"),
    "BulkFilterBody.due_from": ("Only runs that were due at this time or later.", _AT),
    "BulkFilterBody.due_to": ("Only runs that were due before this time.", _LATER),
    "BulkFilterBody.finished_from": ("Only dead letters since this time.", _AT),
    "BulkFilterBody.finished_to": ("Only dead letters from before this time.", _LATER),
    "BulkFilterBody.all": ("All targets; with no other filter.", True),
    "BulkOperation.id": ("The id of the operation. The events of what it does have it in `meta.bulk`.", _JOB),
    "BulkOperation.action": _ACTION,
    "BulkOperation.filter": ("Which targets.", {"tag": "tenant-7"}),
    "BulkOperation.reason": ("Why it was requested.", "the tenant has left"),
    "BulkOperation.rate": _RATE,
    "BulkOperation.limit": _LIMIT,
    "BulkOperation.status": ("Whether it goes on, was stopped, or has dealt with all targets.", "running"),
    "BulkOperation.matched": ("How many targets there were at the request.", 1_000),
    "BulkOperation.done": ("How many targets it has acted on.", 250),
    "BulkOperation.refused": ("How many targets it had to leave as they are.", 1),
    "BulkOperation.reasons": ("Why, and how many targets for each reason.", {"the job is deleted": 1}),
    "BulkOperation.left": ("How many targets are still to come.", 749),
    "BulkOperation.outcomes": (
        "How many of its runs have each status now, of 20,000 at most; null if it concerns no runs. Not in lists.",
        {"succeeded": 240, "running": 10},
    ),
    "BulkOperation.requested_by": ("The key that requested it.", "key:1f2e3d4c5b6a7988"),
    "BulkOperation.requested_at": ("When it was requested.", _AT),
    "BulkOperation.estimated_end_at": ("When it ends at its present pace; null if unknown, or ended.", _LATER),
    "BulkOperation.ended_at": ("When it ended or was stopped; null before.", None),
    "BulkOperation.aborted_by": ("The key that stopped it; only then.", None),
    "BulkOperation.abort_reason": ("Why it was stopped; only then.", None),
    "BulkCount.matched": ("How many targets match now.", 1_000),
    "RedriveSummary.bulk": ("The bulk operation, to be watched and stopped; null in a dry run.", _JOB),
    "RedriveSummary.pending": (
        "How many of the redriven ones a scheduler redrives later, each when its turn has come.",
        0,
    ),
    "RedriveManyBody.limit": ("How many dead letters at most, the oldest first; null for all.", 100),
    "DeadLetterFilter.tag": ("Only those of jobs with this tag.", "tenant-7"),
    "DeadLetterFilter.q": ("Only those whose name or error contains this, in capitals or not.", "refused"),
    "DeadLetterFilter.finished_from": ("Only dead letters since this time.", _AT),
    "DeadLetterFilter.finished_to": ("Only dead letters from before this time.", _LATER),
}
