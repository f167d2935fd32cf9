"""What the fields of a job mean, with an example each; in a request and in an answer alike."""

from duebook_api.openapi.described import Described

JOB_FIELDS: dict[str, Described] = {
    "name": ("What the job is called. Several jobs may have the same name.", "nightly report"),
    "task": ("The task that its runs execute: a built-in one, or one of yours.", "http.request"),
    "payload": ("Any JSON, handed to the task; with `metadata` 256 KiB at most.", {"url": "https://example.com/hook"}),
    "scheduled_at": (
        "The first time, and the start of the recurrence: RFC 3339 with an offset. In a request it defaults to now.",
        "2100-01-04T02:00:00Z",
    ),
    "recurrence": (
        "`none`, `daily`, `weekly`, or an object with `cron` (five or six fields), `every` or `rrule` (RFC 5545).",
        {"cron": "0 2 * * 1-5"},
    ),
    "timezone": ("The IANA time zone whose wall clock the schedule keeps.", "Europe/Berlin"),
    "dst": ("What becomes of times that the clocks leave out or repeat.", {"gap": "run_after", "fold": "first"}),
    "ends_at": ("The last instant that may still be a nominal time; null for none.", "2100-12-31T23:59:59Z"),
    "max_runs": ("After so many runs by its schedule the job is finished; null for no end.", 100),
    "jitter": (
        "Each run is due up to this much after its nominal time, always the same for the same time; null for none.",
        "PT30S",
    ),
    "max_retries": ("How often a failed attempt is retried, so that 3 means four attempts in all.", 3),
    "backoff": (
        "The delay before a retry: it grows from `initial` by `factor` up to `max`, shortened or extended by `jitter`.",
        {"initial": "PT1S", "factor": 2, "max": "PT1H", "jitter": 0.2},
    ),
    "timeout": ("How long one attempt may take (ISO 8601).", "PT5M"),
    "start_within": (
        "A run that has not started so long after it was due is skipped (`deadline`) and not run late; null for never.",
        "PT10M",
    ),
    "pause_on_failure": ("Whether a dead letter pauses the job.", False),
    "overlap": ("What happens to an occurrence that is due while another run of the job is active.", "skip"),
    "catch_up": ("What happens to the occurrences that were missed.", {"policy": "latest", "window": "P365D"}),
    "queue": ("The queue of its runs, which executors serve.", "default"),
    "priority": ("The order in which due runs of a queue are dispatched: 9 before 0.", 4),
    "concurrency": (
        "At most `limit` runs with this `key` are active at once, over all jobs; null for no limit.",
        {"key": "tenant-7", "limit": 2},
    ),
    "rate": (
        "At most `limit` runs with this `key` start in any span of the length `per`, over all jobs; null for no limit.",
        {"key": "stripe", "limit": 10, "per": "PT1S"},
    ),
    "notify": (
        "Who is mailed about which outcomes. Without `to` it is `payload.to`, if an address, or `DUEBOOK_NOTIFY_TO`.",
        {"to": ["ops@example.com"], "on": ["dead_lettered"]},
    ),
    "then": (
        "What an end of a run triggers: for each entry a run of that job, its `trigger` is `follow_up`.",
        [{"job": "key:billing.mail", "on": ["succeeded"], "payload": "result"}],
    ),
    "keep": (
        "How long its runs stay in the database at least, where `DUEBOOK_RETENTION` is shorter; null for no longer.",
        "P365D",
    ),
    "key": (
        "A name of its own, unique among jobs that are not deleted: `key:` and it stand for the job's id anywhere.",
        "billing.nightly",
    ),
    "tags": ("Words by which jobs are found.", ["reports"]),
    "metadata": ("Any object of yours; Duebook does not read it.", {"owner": "finance"}),
}

JOB_STATE: dict[str, Described] = {
    "Job.id": ("The id of the job, a UUID.", "01a218f6-cf4d-72cb-8988-eac87f8c671c"),
    "Job.status": ("`active`, `paused`, `finished` (no further time) or `deleted`.", "active"),
    "Job.next_due_at": ("When the next run is due; null if none will be.", "2100-01-04T02:00:00Z"),
    "Job.created_at": ("When the job was created.", "2099-12-31T09:00:00Z"),
    "Job.updated_at": ("When the job was last changed, paused or resumed.", "2099-12-31T09:00:00Z"),
    "Job.version": ("Counts the changes of the definition; the `ETag` of the job.", 1),
    "Job.warnings": ("What may keep the job from running as meant.", []),
    "Job.held": ("Whether it was paused with `hold`: no run starts before the resume.", False),
    "Job.reason": ("Why it is paused, if a reason was given.", "maintenance"),
    "ArchivedJob.id": ("The id of the job, a UUID.", "01a218f6-cf4d-72cb-8988-eac87f8c671c"),
    "ArchivedJob.status": ("`finished` or `deleted`.", "deleted"),
    "ArchivedJob.created_at": ("When the job was created.", "2099-12-31T09:00:00Z"),
    "ArchivedJob.updated_at": ("When the job was last changed, paused or resumed.", "2099-12-31T09:00:00Z"),
    "ArchivedJob.erased_at": ("When its contents were erased; only then.", "2100-06-01T09:00:00Z"),
    "ArchivedJob.archived": ("The archive that has its events.", "2100-01"),
    "Job.erased_at": ("When its contents were erased; only then.", None),
    "DstBody.gap": ("A time that the clocks skip runs at the first instant after it, or not at all.", "run_after"),
    "DstBody.fold": ("A time that occurs twice runs at its first occurrence, its second, or both.", "first"),
    "BackoffBody.initial": ("The delay before the first retry.", "PT1S"),
    "BackoffBody.factor": ("Each delay is this many times the one before.", 2),
    "BackoffBody.max": ("The longest delay.", "PT1H"),
    "BackoffBody.jitter": ("The share of a delay that chance adds or removes.", 0.2),
    "CatchUpBody.policy": (
        "`latest` runs the newest missed occurrence, `all` each one in order, `none` none.",
        "latest",
    ),
    "CatchUpBody.window": ("Occurrences that are older than this are not caught up.", "P365D"),
    "ConcurrencyBody.key": ("Runs with an equal key share the limit, whichever job they are of.", "tenant-7"),
    "ConcurrencyBody.limit": ("How many runs with this key may be active at once.", 2),
    "RateBody.key": ("Runs with an equal key are counted together, whichever job they are of.", "stripe"),
    "RateBody.limit": ("How many attempts of runs with this key may start in the span.", 10),
    "RateBody.per": ("The length of the span, `PT1S` to `P1D`. The span slides: it may begin at any instant.", "PT1S"),
    "NotifyBody.to": ("Addresses.", ["ops@example.com"]),
    "NotifyBody.on": ("The outcomes that are mailed.", ["succeeded", "dead_lettered"]),
    "FollowUpBody.job": ("The id of the job to trigger, or `key:` and its key.", "key:billing.mail"),
    "FollowUpBody.on": ("The ends that trigger it.", ["succeeded"]),
    "FollowUpBody.payload": (
        "`result` hands on the result of a run that succeeded; null leaves the job its own payload.",
        "result",
    ),
    "Cron.cron": ("Minute, hour, day of month, month, day of week; or six fields with seconds first.", "0 2 * * 1-5"),
    "Every.every": ("The interval of real time, at least PT1S.", "PT15M"),
    "Rrule.rrule": ("A rule by RFC 5545, without DTSTART, which is `scheduled_at`.", "FREQ=MONTHLY;BYDAY=-1FR"),
}
