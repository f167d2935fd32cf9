"""What the parameters of paths and queries and the headers mean, with an example each.

A name alone counts for every call, `GET /path name` for one.
"""

from duebook_api.openapi.described import Described

_JOB = "01a218f6-cf4d-72cb-8988-eac87f8c671c"
_RUN = "ad8fcdc3-571f-5635-90a8-c3108c47b91a"

PARAMETERS: dict[str, Described] = {
    "job_id": ("The id of the job.", _JOB),
    "bulk_id": ("The id of the bulk operation.", _JOB),
    "GET /api/bulk status": ("Only operations with this status.", "running"),
    "GET /api/bulk action": ("Only operations with this action.", "cancel"),
    "run_id": ("The id of the run.", "ad8fcdc3-571f-5635-90a8-c3108c47b91a"),
    "key_id": ("The id of the key.", "1f2e3d4c5b6a7988"),
    "actor": ("Only what this actor did.", "key:1f2e3d4c5b6a7988"),
    "type": ("Only events of these types; may be given several times.", ["JobPaused", "JobResumed"]),
    "GET /api/key status": ("Only keys with one of these statuses; may be given several times.", ["active"]),
    "GET /api/audit job_id": ("Only what concerns this job or its runs.", _JOB),
    "GET /api/audit from": ("Only what was done at this instant or later.", "2100-01-01T00:00:00Z"),
    "GET /api/audit to": ("Only what was done before this instant.", "2100-02-01T00:00:00Z"),
    "GET /api/events job_id": ("Only events of this job and of its runs.", _JOB),
    "GET /api/events/stream job_id": ("Only events of this job and of its runs.", _JOB),
    "GET /api/events run_id": ("Only events of this run and of the mails about it.", _JOB),
    "GET /api/events/stream run_id": ("Only events of this run and of the mails about it.", _JOB),
    "queue_name": ("The name of the queue.", "default"),
    "notification_id": ("The id of the mail.", f"{_RUN}.dead_lettered-9.0f1e2d3c4b5a6978"),
    "recipient": ("Only mails to this address.", "ops@example.com"),
    "GET /api/notification status": (
        "Only mails with one of these statuses; several may be given.",
        ["given_up"],
    ),
    "GET /api/notification job_id": ("Only mails about this job.", _JOB),
    "GET /api/notification run_id": ("Only mails about this run.", _RUN),
    "executor_id": ("The id of the executor, or its name.", _JOB),
    "task_name": ("The name of the task.", "http.request"),
    "state": ("Only those in this state.", "alive"),
    "log_id": ("The id of the entry.", "758-2"),
    "limit": ("How many items a page has at most.", 50),
    "cursor": ("The `next_cursor` of the page before; the first page without it.", "MTIzNHwyMTAwLTAxLTA0"),
    "status": ("Only those with this status.", "dead_lettered"),
    "GET /api/job status": (
        "Only jobs with one of these: repeated, or between commas; without it all but deleted ones.",
        ["active"],
    ),
    "GET /api/run status": ("Only those with one of these: repeated, or between commas.", ["dead_lettered"]),
    "cause": (
        "Only those that repeat this run, or that this bulk operation triggered.",
        "ad8fcdc3-571f-5635-90a8-c3108c47b91a",
    ),
    "trigger": ("Only those that this has made.", "schedule"),
    "executor": ("Only those whose last attempt this executor started.", "executor-1"),
    "GET /api/run tag": ("Only those of jobs that have this tag.", "reports"),
    "GET /api/dead-letter tag": ("Only those of jobs that have this tag.", "reports"),
    "GET /api/dead-letter/groups tag": ("Only those of jobs that have this tag.", "reports"),
    "q": ("Only those whose job's name, or whose error, contains this text, in capitals or not.", "timeout"),
    "GET /api/job q": ("Only those whose name contains this text, in capitals or not.", "report"),
    "due_from": ("Only those that were due at this instant or later.", "2100-01-01T00:00:00Z"),
    "due_to": ("Only those that were due before this instant.", "2100-02-01T00:00:00Z"),
    "finished_from": ("Only those that ended at this instant or later.", "2100-01-01T00:00:00Z"),
    "finished_to": ("Only those that ended before this instant.", "2100-02-01T00:00:00Z"),
    "GET /api/run sort": (
        "The order, with `-` downwards. See the description of the call for the default.",
        "-finished_at",
    ),
    "GET /api/job sort": ("The order; with `-` downwards. Unless given `-created_at`.", "name"),
    "name": ("Only those with exactly this name.", "nightly report"),
    "task": ("Only those of this task.", "http.request"),
    "queue": ("Only those of this queue.", "default"),
    "tag": ("Only those with this tag.", "reports"),
    "fingerprint": ("Only those with this fingerprint of their error.", "http.request: expected 200-299, got <n>"),
    "as_of": ("The answer as it was at this instant.", "2100-01-04T02:00:00Z"),
    "at": ("The nominal time in question; without it, what the job waits for now.", "2100-01-04T02:00:00Z"),
    "from": ("The first instant of the range; the job's start unless given.", "2100-01-01T00:00:00Z"),
    "to": ("The first instant behind the range; now unless given.", "2100-02-01T00:00:00Z"),
    "GET /api/stats from": (
        "The first instant of the range; a day before its end unless given.",
        "2100-01-01T00:00:00Z",
    ),
    "GET /api/stats to": ("The first instant behind the range; now unless given.", "2100-02-01T00:00:00Z"),
    "step": ("How long a step is: a multiple of PT1M, or of PT1H for jobs. PT1H unless given.", "PT1H"),
    "GET /api/job/{job_id}/ledger/summary step": ("What is counted together: a `day` or a `month`.", "month"),
    "GET /api/job/{job_id}/ledger/summary from": (
        "The step of this instant is the first; unless given the job's first, or those of a year (ten with months).",
        "2026-01-01T00:00:00Z",
    ),
    "timezone": ("The zone by whose clocks days and months begin; the job's unless given.", "Europe/Berlin"),
    "by": ("What is told apart: the outcomes of all runs, or those of each key.", "queue"),
    "keys": ("How many keys are shown, the busiest; the others are counted together.", 10),
    "after": ("A position, or `latest`; the beginning of the log unless given.", "latest"),
    "GET /api/events/stream after": (
        "A position, or `latest`; the beginning of the log unless given.",
        "758-2-94d24dc0",
    ),
    "Idempotency-Key": (
        "Makes the call once: the same key and body answer the first result again. It belongs to the API key.",
        "report-2100-01-04",
    ),
    "If-Match": ("The `ETag` of the version that may be changed; another one is answered with 412.", '"1"'),
    "If-None-Match": ("`*` creates a job and never changes one, which is answered with 412.", "*"),
    "Last-Event-ID": ("The position of the last event that arrived; takes precedence over `after`.", "758-2-94d24dc0"),
}
