"""What the fields of runs, dead letters, events, ledgers and schedules mean, with an example each.

A name alone counts for every schema that has such a field, `Schema.field` for one. The models of requests and answers
may describe their fields themselves; this table adds what they leave out.
"""

from duebook_api.openapi.bulk_fields import BULK
from duebook_api.openapi.described import COMPOSED, Described
from duebook_api.openapi.installation_fields import INSTALLATION
from duebook_api.openapi.job_fields import JOB_FIELDS, JOB_STATE
from duebook_api.openapi.queue_fields import QUEUES
from duebook_api.openapi.statistics_fields import STATISTICS

_JOB = "01a218f6-cf4d-72cb-8988-eac87f8c671c"
_RUN = "ad8fcdc3-571f-5635-90a8-c3108c47b91a"
_AT, _LATER = "2100-01-04T02:00:00Z", "2100-01-04T02:00:03.250000Z"
_POSITION = "758-2-94d24dc0"
_FINGERPRINT = "http.request: expected 200-299, got <n>"
_ERROR = "expected 200-299, got 503"
_CURSOR = "MTIzNHwyMTAwLTAxLTA0VDAyOjAwOjAwKzAwOjAw"

_COMMON: dict[str, Described] = {
    "job_id": ("The id of the job.", _JOB),
    "run_id": ("The id of the run.", _RUN),
    "nominal_at": ("The time that the schedule names.", _AT),
    "reason": ("Why, in words.", "the target is back"),
    "archived": ("The archive that has the events of the run; only if they have left the database.", "2026-10"),
    "cause": (
        "The run that it repeats, or the bulk operation that triggered it; only then.",
        "0f1e2d3c-571f-5635-90a8-c3108c47b91a",
    ),
    "items": ("The items, in the order that the call states.", COMPOSED),
    "next_cursor": ("The `cursor` of the next page; null on the last one.", None),
    "fingerprint": ("Equal for errors of the same kind.", _FINGERPRINT),
    "task": ("The name of the task.", "http.request"),
    "queue": ("The name of the queue.", "default"),
    "name": ("The name of the job.", "nightly report"),
    "from": ("The first instant of the range.", "2100-01-01T00:00:00Z"),
    "to": ("The first instant behind the range.", "2100-02-01T00:00:00Z"),
    "at": ("When.", _AT),
    "timezone": ("The IANA time zone.", "Europe/Berlin"),
    "runs": ("How many runs.", 3),
}

_RUNS: dict[str, Described] = {
    "id": ("The id of the run: always the same for the same nominal time of a job.", _RUN),
    "job_name": ("The name that the job had at the dispatch.", "nightly report"),
    "job_version": ("The version of the job at the dispatch; later changes do not concern the run.", 1),
    "due_at": ("When it may start: the nominal time, or later by `jitter` or a retry.", _AT),
    "status": ("What has become of the run.", "succeeded"),
    "attempt": ("The number of the last attempt; 0 before the first.", 1),
    "failures": ("The attempts that failed or were lost, since the last redrive.", 0),
    "max_attempts": ("The failures after which the run is a dead letter.", 4),
    "executor": ("The executor of the last attempt; null before the first.", "executor-1"),
    "started_at": ("When the last attempt started; null before the first.", "2100-01-04T02:00:00.120000Z"),
    "finished_at": ("When the run ended; null before.", _LATER),
    "error": ("The error of the last attempt that failed; null without one.", None),
    "result": ("What the task returned, any JSON.", {"status": 200, "body": "ok"}),
    "trigger": ("What made the run.", "schedule"),
    "Run.reason": ("Why it waits, was skipped, cancelled or discarded; only if there is a reason.", "overlap"),
    "RunWithPayload.reason": (
        "Why it waits, was skipped, cancelled or discarded; only if there is a reason.",
        "overlap",
    ),
    "ErasedRun.reason": ("Why it was skipped, cancelled or discarded; only if there is a reason.", "overlap"),
    "erased_at": ("When its contents were erased; only then.", None),
    "RunWithPayload.payload": (
        "What its task gets; only for keys with the scope `payloads:read`.",
        {"url": "https://example.com/hook"},
    ),
    "JobWithRun.run": (
        "With `wait` only: its run when that had ended or the time was over; null if none was.",
        COMPOSED,
    ),
    "DeadLetter.status": ("`dead_lettered`.", "dead_lettered"),
    "DeadLetter.error": ("The error of the last attempt.", _ERROR),
    "DeadLetter.result": ("Always null: the run has not succeeded.", None),
    "DeadLetter.failures": ("The attempts that failed or were lost, since the last redrive.", 4),
    "DeadLetter.attempt": ("The number of the last attempt.", 4),
    "DeadLetter.reason": ("Only if there is a reason.", "by hand"),
    "DeadLetter.payload": ("What its task got.", {"url": "https://example.com/hook"}),
    "DeadLetter.attempts": ("How many attempts there were, those before a redrive included.", 4),
    "DeadLetter.dead_lettered_at": ("When it became a dead letter.", _LATER),
    "DeadLetter.age": ("How long it has been one.", "PT3H"),
    "DeadLetter.lineage": ("Its dead-letterings and redrives, oldest first.", COMPOSED),
    "DeadLetterEvent.event": ("Which of the two it was.", "RunDeadLettered"),
    "DeadLetterEvent.at": ("When.", _LATER),
    "DeadLetterEvent.actor": ("The key or the process that caused it.", "executor:executor-1"),
    "DeadLetterEvent.failures": ("The failures by then; null for a redrive.", 4),
    "DeadLetterEvent.error": ("The error of the last attempt; null for a redrive.", _ERROR),
    "DeadLetterEvent.dispatch": ("The number of the message that was dead-lettered; null for a redrive.", 4),
    "DeadLetterEvent.reason": ("Why it was redriven; null for a dead-lettering.", None),
    "DeadLetterEvent.own_payload": ("Whether the redrive changed the payload; null for a dead-lettering.", None),
    "Group.error": ("The error of the newest one.", _ERROR),
    "Group.count": ("How many dead letters are in the group.", 12),
    "Group.runs": ("The same: how many runs rest now.", 12),
    "Group.jobs": ("Of how many jobs they are.", 2),
    "Group.first_seen": ("When this error first made a dead letter, also of runs that were redriven since.", _AT),
    "Group.last_seen": ("When it did last.", _LATER),
    "Group.oldest": ("When the oldest of them became a dead letter.", _AT),
    "Group.newest": ("When the newest of them became a dead letter.", _LATER),
    "RedriveSummary.matched": ("How many dead letters the filter matches.", 12),
    "RedriveSummary.redriven": (
        "How many are due again, or will be. What a scheduler refuses then is in `refused` of the operation.",
        11,
    ),
    "RedriveSummary.invalid": ("How many cannot be redriven.", 1),
    "RedriveSummary.reasons": (
        "Why the invalid ones cannot be, and how many for each reason.",
        {"the job is deleted": 1},
    ),
    "RedriveSummary.left": ("How many were left, because their job has too many active runs.", 0),
}

_HISTORY: dict[str, Described] = {
    "Event.position": ("Where the event stands in the log: resume a feed `after` it.", _POSITION),
    "Event.stream": ("The job or the run that it is about.", f"job-{_JOB}"),
    "Event.version": ("Its number in the stream, from 1.", 2),
    "Event.type": ("What happened.", "JobPaused"),
    "Event.data": ("The event's fields, by its type.", {"reason": "maintenance", "at": _AT}),
    "Event.meta": ("Who caused it, and the trace that it belongs to.", {"actor": "key:1f2e3d4c5b6a7988"}),
    "Event.recorded_at": ("When it was recorded.", _AT),
    "Feed.position": ("Continue `after` it; null while the log is empty.", _POSITION),
    "LogEntry.id": ("The id of the entry.", "758-2"),
    "LogEntry.attempt": ("The number of the attempt; null for what concerns no attempt.", 1),
    "LogEntry.status": ("What happened to the attempt; `log` for a line that the task wrote.", "log"),
    "LogEntry.message": ("The line, the error or the reason.", "3 rows written"),
    "LogEntry.logged_at": ("When.", _LATER),
    "LogEntry.level": ("How important a line of the task is; only for these.", "info"),
    "LogEntry.fields": ("The fields that the task gave to its line; only if there are any.", {"rows": 1200}),
    "progress": ("The progress that the task of the last attempt has reported; only if it has.", COMPOSED),
    "Progress.share": ("The share that is done, from 0 to 1; null if the task does not know it.", 0.4),
    "Progress.text": ("What the task says of it.", "1,200 of 3,000 rows"),
    "Progress.reported_at": ("When the task reported it.", _LATER),
    "Ledger.expected": ("How many nominal times the range has.", 31),
    "Ledger.recorded": ("How many of them have a run or stand in a skip.", 31),
    "Ledger.unaccounted": ("How many of them have neither, and are not due.", 0),
    "Ledger.due": ("Past times that the scheduler has not decided yet.", 0),
    "LedgerEntry.outcome": ("The status of its run; `due` before it is decided, or `unaccounted`.", "succeeded"),
    "LedgerEntry.run_id": ("Its run; null if it has none.", _RUN),
    "LedgerEntry.reason": ("Why it was skipped; null otherwise.", None),
    "Because.at": ("When it happened; null if it holds now.", _AT),
    "Because.says": ("The cause, in a sentence.", "It was due, and no executor served its queue."),
    "Because.event": ("The type of its event; null if it holds now.", "RunDispatched"),
    "Because.run_id": ("The run that it is about, if that is another one.", None),
    "Why.answer": ("The explanation in one sentence.", "It waits for an executor of its queue."),
    "Why.because": ("The causes, oldest first.", COMPOSED),
}

_SCHEDULES: dict[str, Described] = {
    "Preview.times": ("The next nominal times.", [_AT]),
    "Preview.description": ("The schedule in words.", "At 02:00 on every day-of-week from Monday through Friday"),
    "Preview.notes": ("What may surprise, changes of the clocks among it.", []),
    "Hour.at": ("The beginning of the hour.", _AT),
    "Peak.runs": ("The most runs at once.", 3),
    "Peak.at": ("When that is; null without runs.", _AT),
    "Peaks.mean": ("If attempts take the mean of their measured durations.", {"runs": 3, "at": _AT}),
    "Peaks.p95": ("If they take the 95th percentile of them.", {"runs": 5, "at": _AT}),
    "Peaks.hours_looked_at": ("How many of the hours were looked at, the busiest first, or `all`.", "all"),
    "QueueForecast.peak": ("The most runs at once.", COMPOSED),
    "QueueForecast.unmeasured_jobs": ("Jobs without a measured duration; each counts one second.", 0),
    "AffectedJob.job_id": ("The job; null for one that a change would create.", _JOB),
    "AffectedJob.falls_in": ("Whether its time is skipped (`gap`) or occurs twice (`fold`).", "gap"),
    "AffectedJob.does": ("What the job does then.", "runs at 2100-03-28T03:00:00+02:00"),
    "ClockChange.at": ("The instant of the change.", "2100-03-28T01:00:00Z"),
    "ClockChange.says": ("The change, in words.", "the clocks go from 02:00 to 03:00"),
    "ClockChange.jobs_hit": ("How many jobs have a time in the gap or fold.", 1),
    "ClockChange.jobs": ("The first hundred of them.", COMPOSED),
    "NominalTime.job_id": ("The job; null for one that a change would create.", _JOB),
    "NominalTimes.count": ("How many there are.", 31),
    "NominalTimes.times": ("The first hundred of them.", COMPOSED),
    "Forecast.from": ("The beginning of the window.", "2100-01-01T00:00:00Z"),
    "Forecast.to": ("The end of the window.", "2100-02-01T00:00:00Z"),
    "Forecast.jobs": ("How many jobs were forecast.", 1),
    "Forecast.runs": ("How many runs they will have.", 31),
    "Forecast.hours": ("The hours that have runs.", COMPOSED),
    "Forecast.queues": ("The runs of each queue.", COMPOSED),
    "Forecast.clock_changes": ("Where the clocks change within the window, and the jobs that this affects.", COMPOSED),
    "Forecast.added": ("Nominal times that the changes would add; only with `changes`.", COMPOSED),
    "Forecast.removed": ("Nominal times that the changes would remove; only with `changes`.", COMPOSED),
}

_REQUESTS: dict[str, Described] = {
    "BatchBody.jobs": ("The jobs: all are created, or none.", [{"name": "one"}, {"name": "two"}]),
    "ReasonBody.reason": ("Why; it is kept in the history.", "maintenance"),
    "PauseBody.reason": ("Why; it is kept in the history.", "stop the bleeding"),
    "PauseBody.hold": ("Whether the runs of the job that have not started wait until the resume.", True),
    "MustReasonBody.reason": ("Why; it is kept in the history.", "obsolete"),
    "TriggerBody.payload": (
        "The payload of this run; without it that of the job.",
        {"url": "https://example.com/hook"},
    ),
    "TriggerBody.overlap": ("What happens if another run of the job is active.", "allow_all"),
    "BackfillBody.from": ("The first instant of the range, after the job's creation.", "2099-01-01T00:00:00Z"),
    "BackfillBody.to": ("The first instant behind the range.", "2099-02-01T00:00:00Z"),
    "BackfillBody.overlap": ("What happens while other runs of the job are active.", "buffer_all"),
    "RedriveBody.payload": ("A new payload; without it the run keeps its own.", {"url": "https://example.com/hook"}),
    "RedriveManyBody.filter": ("Which dead letters; `{}` for all.", {"fingerprint": _FINGERPRINT}),
    "RedriveManyBody.rate": ("How many become due in a second; null for all at once.", 5),
    "RedriveManyBody.dry_run": ("Only count them.", True),
    "DeadLetterFilter.job_id": ("Only those of this job.", _JOB),
    "DeadLetterFilter.task": ("Only those of this task.", "http.request"),
    "DeadLetterFilter.queue": ("Only those of this queue.", "default"),
    "DeadLetterFilter.fingerprint": ("Only those with this fingerprint.", _FINGERPRINT),
    "PreviewBody.after": ("The times after this instant; unless given, from now on.", "2100-01-01T00:00:00Z"),
    "PreviewBody.count": ("How many times.", 10),
    "ForecastBody.filter": ("Which jobs; without it all active ones.", {"queue": "default"}),
    "ForecastBody.changes": ("Changes to try; nothing is changed.", [{"delete": _JOB}]),
    "ForecastFilter.status": ("Active jobs, or paused ones as if they were resumed.", "active"),
    "ForecastFilter.name": ("Only jobs with this name.", "nightly report"),
    "ForecastFilter.task": ("Only jobs with this task.", "http.request"),
    "ForecastFilter.queue": ("Only jobs of this queue.", "default"),
    "ForecastFilter.tag": ("Only jobs with this tag.", "reports"),
    "ForecastFilter.job_id": ("Only this job.", _JOB),
    "ChangeBody.job_id": ("The job to change, with `patch`.", _JOB),
    "ChangeBody.patch": ("A merge patch of its definition.", {"recurrence": "daily"}),
    "ChangeBody.create": ("A job to add, as in POST /api/job.", {"name": "nightly report", "recurrence": "daily"}),
    "ChangeBody.delete": ("The id of a job to remove.", _JOB),
}

_PROBLEM: dict[str, Described] = {
    "Problem.type": ("The kind of the problem, as a URI.", "https://duebook.dev/problems/invalid"),
    "Problem.title": ("The phrase of the status.", "Unprocessable Entity"),
    "Problem.status": ("The status of the answer.", 422),
    "Problem.detail": ("What is wrong, and what to do.", "/timeout: this must be longer than PT0S"),
    "Problem.instance": (
        "Names this answer; the log of the server has it, if the server is at fault.",
        "urn:uuid:" + _JOB,
    ),
    "Problem.code": ("The kind of the problem in a word, which does not change.", "invalid"),
    "Problem.errors": (
        "The single faults of a body or a query.",
        [{"pointer": "/timeout", "detail": "this must be longer than PT0S"}],
    ),
}

_COUNTS: dict[str, Described] = {
    "due": (
        "Runs that are due and not sent. Jobs with a due occurrence that is not decided yet count as one each.",
        0,
    ),
    "dispatched": ("Runs in their queue.", 2),
    "waiting": ("Runs that wait for another run or a limit.", 0),
    "running": ("Runs that an executor executes.", 1),
    "retrying": ("Runs that wait for their next attempt.", 0),
    "dead_lettered": ("Dead letters.", 0),
}
_OVERVIEW: dict[str, Described] = {
    **{f"{schema}.{name}": words for schema in ("Overview", "QueueCounts") for name, words in _COUNTS.items()},
    "Overview.at": ("When the runs were counted.", _AT),
    "Overview.overdue_jobs": ("Jobs that are due for longer than the misfire time.", 0),
    "Overview.oldest_dead_letter_at": ("When the oldest dead letter became one; null without dead letters.", None),
    "Overview.paused": ("The paused queues, with who and why; `*` stands for the whole installation.", COMPOSED),
    "Overview.queues": ("The same for each queue that has runs in these states, by name.", COMPOSED),
}
_SINGLE = (
    BULK
    | INSTALLATION
    | QUEUES
    | STATISTICS
    | _OVERVIEW
    | JOB_STATE
    | _RUNS
    | _HISTORY
    | _SCHEDULES
    | _REQUESTS
    | _PROBLEM
)
_OF_JOBS, _OF_RUNS = (
    frozenset({"Job", "JobDefinition", "JobBody", "PreviewBody"}),
    frozenset({"Run", "RunWithPayload", "ErasedRun", "DeadLetter"}),
)


def field(schema: str, name: str) -> Described | None:
    """The words and the example of a field; the objects in a job have the same in requests (`…Body`) and answers."""
    own = _SINGLE.get(f"{schema}.{name}") or _SINGLE.get(f"{schema}Body.{name}")
    if own is not None:
        return own
    if schema == "JobWithRun":
        return field("Job", name)
    if schema in _OF_JOBS and name in JOB_FIELDS:
        return JOB_FIELDS[name]
    return (_SINGLE.get(name) if schema in _OF_RUNS else None) or _COMMON.get(name)
