"""What the fields of keys, services, executors, tasks and mails mean, with an example each."""

from duebook_api.openapi.described import COMPOSED, Described

_AT = "2100-01-04T02:00:00Z"
_KEY = "1f2e3d4c5b6a7988"

_WHOAMI: dict[str, Described] = {
    "Whoami.actor": ("The name under which events record what this key does.", f"key:{_KEY}"),
    "Whoami.key_id": ("The id of the key; null for the first key and without keys.", _KEY),
    "Whoami.name": ("The name of the key, `DUEBOOK_API_KEY` for the first one, `anonymous` without keys.", "ci"),
    "Whoami.scopes": ("What the key may do.", ["jobs:read", "runs:read"]),
    "Whoami.expires_at": ("When the key expires; null if it does not.", _AT),
    "Whoami.auth": ("Whether this server needs keys (`required`) or not (`off`).", "required"),
}
_EXECUTOR = "01a218f6-cf4d-72cb-8988-eac87f8c671c"
_JOB, _RUN = "01a218f6-cf4d-72cb-8988-eac87f8c671c", "ad8fcdc3-571f-5635-90a8-c3108c47b91a"

_EXECUTORS: dict[str, Described] = {
    "Executor.id": ("The id of this start of the process.", _EXECUTOR),
    "Executor.name": ("Its name, as runs have it in `executor`.", f"executor worker-1/{_EXECUTOR}"),
    "Executor.host": ("The machine or the container; with a number, one of several processes there.", "worker-1"),
    "Executor.version": ("The version of Duebook.", "0.1.0"),
    "Executor.state": ("`alive`, `draining` (finishes what it has), or `lost` (silent for a minute).", "alive"),
    "Executor.queues": ("The queues that it serves.", ["default"]),
    "Executor.tasks": ("The tasks that it has.", ["http.request", "log"]),
    "Executor.slots": ("How many attempts it runs at once (`DUEBOOK_CONCURRENCY`).", 100),
    "Executor.running": ("How many attempts it has under way, as of its last heartbeat.", 3),
    "Executor.started_at": ("When the process started.", _AT),
    "Executor.seen_at": ("When it was heard of last.", _AT),
    "RunUnderWay.id": ("The id of the run.", _RUN),
    "RunUnderWay.job_name": ("The name that the job had at the dispatch.", "nightly report"),
    "RunUnderWay.attempt": ("The number of the attempt.", 1),
    "RunUnderWay.started_at": ("When the attempt started.", _AT),
    "RunUnderWay.cancel_requested": ("Whether the attempt is to stop.", False),
    "BusyExecutor.runs": ("The runs that it executes, those that started first first; a hundred at most.", COMPOSED),
}
_EXECUTORS |= {f"Busy{name}": words for name, words in _EXECUTORS.items() if name.startswith("Executor.")}
_TASKS: dict[str, Described] = {
    "Task.name": ("The name of the task.", "http.request"),
    "Task.defaults": (
        "What it was registered with last for the fields that a job leaves out: `queue timeout max_retries backoff`.",
        {"timeout": "PT600S"},
    ),
    "Task.payload_schema": ("The JSON Schema of its payload; null if it takes any.", {"type": "object"}),
    "Task.seen_at": ("When an executor that has it was heard of last.", _AT),
    "Task.executors": ("How many executors have it now.", 2),
    "Task.queues": ("The queues that these serve.", ["default"]),
}
_SYSTEM: dict[str, Described] = {
    "Service.id": ("The id of this start of the process.", _EXECUTOR),
    "Service.service": ("Which service.", "scheduler"),
    "Service.host": ("The machine or the container.", "node-1"),
    "Service.version": ("The version of Duebook.", "0.1.0"),
    "Service.schema": ("The schema of the database that it is written for.", "0001_baseline"),
    "Service.tzdata": ("The version of its time zone rules.", "2026b"),
    "Service.state": ("`alive`, `draining` (is stopping), or `lost` (silent for a minute).", "alive"),
    "Service.started_at": ("When the process started.", _AT),
    "Service.seen_at": ("When it was heard of last.", _AT),
    "SettingValue.value": ("The value.", "PT1M"),
    "SettingValue.services": ("The services that have it.", ["api", "scheduler"]),
    "Setting.name": ("The variable.", "DUEBOOK_MISFIRE"),
    "Setting.values": ("Its values: one, unless services differ.", COMPOSED),
    "TableSize.name": ("The name of the table.", "events"),
    "TableSize.rows": ("About how many rows it has.", 120_000),
    "TableSize.bytes": ("How much it takes on the disk.", 73_400_320),
    "Archive.number": ("Its number in the chain of archives.", 1),
    "Archive.period": ("The period: a month, a day or an hour of UTC.", "2026-08"),
    "Archive.events": ("How many events it has.", 1_200_000),
    "Archive.bytes": ("How large its files are.", 41_943_040),
    "Archive.digest": ("The SHA-256 of its manifest, which has the hashes of its files.", "9f86d081884c7d65…"),
    "Archive.address": ("The folder or the bucket that it was written to.", "s3://bucket/duebook"),
    "Archive.archived_at": ("When its files were complete.", _AT),
    "Archives.count": ("How many archives there are.", 3),
    "Archives.events": ("How many events they have together.", 3_600_000),
    "Archives.bytes": ("How large they are together.", 125_829_120),
    "Archives.kept_since": ("The start of the oldest period that is in the database.", "2026-09-01T00:00:00Z"),
    "Archives.newest": ("The newest archives, at most 12, the newest first.", COMPOSED),
    "System.at": ("When this was read.", _AT),
    "System.schema": ("The schema of the database.", "0001_baseline"),
    "System.postgres": ("The version of PostgreSQL.", "17.2"),
    "System.relay_lag_events": ("Events that the relay has yet to process; 10000 also for more.", 0),
    "System.feed_horizon_age_seconds": (
        "For how long the oldest transaction that writes has held back the readers of the log.",
        0.02,
    ),
    "System.services": ("The processes of all services, of the last day.", COMPOSED),
    "System.settings": ("The settings of those that are not lost; none of them is a secret.", COMPOSED),
    "System.archives": ("What has left the database for archives.", COMPOSED),
    "System.tables": ("The sizes of the tables, the largest first.", COMPOSED),
}
_KEYS: dict[str, Described] = {
    "Key.id": ("The id of the key, by which it is revoked.", _KEY),
    "Key.name": ("The owner or the purpose.", "ci"),
    "Key.status": ("`active`, `expired` or `revoked`.", "active"),
    "Key.scopes": ("What the key may do.", ["jobs:read", "runs:read"]),
    "Key.created_at": ("When it was made.", _AT),
    "Key.created_by": ("The actor who made it; empty if that is not known.", "key:first"),
    "Key.expires_at": ("When it expires; null if it does not.", _AT),
    "Key.last_used_at": ("When it was used last, to about a minute; null if never.", _AT),
    "Key.revoked_at": ("When it was revoked; null if it is not.", None),
    "NewKey.key": ("The key itself, for the header `Authorization: Bearer …`.", f"sk_{_KEY}_w2VYk3…"),
    "KeyBody.name": ("The owner or the purpose.", "ci"),
    "KeyBody.scopes": ("What the key may do: scopes that your key has.", ["jobs:read", "runs:read"]),
    "KeyBody.expires_in": ("How long it is valid; without it until it is revoked.", "P90D"),
    "RevokeBody.reason": ("Why; it is kept in the history.", "its holder has left"),
    "RevokeBody.own": ("Must be true to revoke the key of this request.", False),
    "Act.position": ("The position of the event in the log.", "758-2-94d24dc0"),
    "Act.at": ("When.", _AT),
    "Act.actor": ("Who: a key, an operator on the database, or `anonymous` without keys.", f"key:{_KEY}"),
    "Act.key_name": ("The name of the key; null if the actor is no key of the table.", "ci"),
    "Act.type": ("What: the type of the event.", "JobPaused"),
    "Act.stream": ("What it is about.", f"job-{_JOB}"),
    "Act.job_id": ("The job that it concerns; null for queues, keys and the installation.", _JOB),
    "Act.run_id": ("The run that it concerns; null if there is none.", None),
    "Act.reason": ("Why, if a reason was given.", "maintenance"),
    "Act.data": (
        "The event's fields, without payloads and metadata; the definition of a job is hidden without `jobs:read`.",
        {"reason": "maintenance", "at": _AT},
    ),
}
_KEYS |= {f"New{name}": words for name, words in _KEYS.items() if name.startswith("Key.")}
_MAIL = f"{_RUN}.dead_lettered-9.0f1e2d3c4b5a6978"
_MAILS: dict[str, Described] = {
    "Notification.id": ("The id of the mail: the same for each try.", _MAIL),
    "Notification.run_id": ("The run; of missed occurrences the run that the last of them would have had.", _RUN),
    "Notification.job_name": ("The name of the job now; null if its row is gone.", "nightly report"),
    "Notification.outcome": ("What the mail tells.", "dead_lettered"),
    "Notification.recipient": ("The address that it goes to.", "ops@example.com"),
    "Notification.status": ("What has become of it; `given_up` ones are tried no more.", "given_up"),
    "Notification.tries": ("How often it was tried, since a person asked for it last.", 8),
    "Notification.error": ("The last answer of the mail server that was no success; null without one.", "450 busy"),
    "Notification.next_try_at": ("When it is tried again, or its digest is due; null if neither is.", None),
    "Notification.message_id": ("The Message-ID of the mail, or of the digest that tells it.", f"<{_MAIL}@duebook>"),
    "Notification.updated_at": ("When it changed last.", _AT),
}
_PLANS: dict[str, Described] = {
    "JobPlan.job": ("The job with every default.", COMPOSED),
    "JobPlan.times": ("The next ten nominal times; if all are past the first one, which would be due at once.", [_AT]),
    "JobPlan.warnings": ("What the job would lack.", []),
    "BackfillPlan.count": ("How many runs would be made.", 3),
    "BackfillPlan.already_backfilled": ("How many times of the range an earlier backfill has made runs for.", 0),
    "BackfillPlan.times": ("The nominal times for which a run would be made.", [_AT]),
    "BackfillBody.dry_run": ("Only say what would be made.", False),
}
INSTALLATION: dict[str, Described] = _WHOAMI | _EXECUTORS | _TASKS | _SYSTEM | _KEYS | _MAILS | _PLANS
