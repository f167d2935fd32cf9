"""The columns of `jobs` and `runs`, each with the part of a state that it holds; which a new row and an update have."""

from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.store.codec import dumps, encode_backoff, encode_definition, encode_notify
from duebook_common.store.columns import Column, Columns

_JOB_KEY: Columns[Job] = (Column("job_id", "uuid", "id"),)
_JOB_FIXED: Columns[Job] = (
    Column("born", "timestamptz"),
    Column("created_at", "timestamptz"),
    Column("request_hash", "text"),
    Column("erased_at", "timestamptz"),  # `erasure` writes it
)
_JOB_STATE: Columns[Job] = (
    Column("stream_version", "int"),
    Column("version", "int"),
    Column("definition_version", "int"),
    Column("status", "text"),
    Column("runs", "int"),
    Column("next_at", "timestamptz"),
    Column("next_due_at", "timestamptz"),
    Column("wake_at", "timestamptz"),
    Column("backlog_since", "timestamptz"),
    Column("held", "bool"),
    Column("reason", "text"),
    Column("updated_at", "timestamptz"),
)
_JOB_DEFINITION: Columns[Job] = (
    Column("name", "text", "definition.name"),
    Column("task", "text", "definition.task"),
    Column("queue", "text", "definition.queue"),
    Column("key", "text", "definition.key"),
    Column("priority", "smallint", "definition.priority"),
    # As JSON, because asyncpg would turn lists in a list into one array of two dimensions.
    Column("tags", "jsonb", lambda job: dumps(job.definition.tags), "ARRAY(SELECT jsonb_array_elements_text(r.tags))"),
    Column("definition", "jsonb", lambda job: encode_definition(job.definition)),
)
_RUN_KEY: Columns[Run] = (Column("run_id", "uuid", "id"),)
_RUN_FIXED: Columns[Run] = (
    Column("born", "timestamptz"),
    Column("job_id", "uuid"),
    Column("job_name", "text"),
    Column("job_version", "int"),
    Column("definition_version", "int"),
    Column("task", "text"),
    Column("queue", "text"),
    Column("priority", "smallint"),
    Column("nominal_at", "timestamptz"),
    Column("due_at", "timestamptz"),
    Column("trigger", "text"),
    Column("backoff", "jsonb", lambda run: encode_backoff(run.backoff)),
    Column("notify", "jsonb", lambda run: encode_notify(run.notify)),
    Column("created_at", "timestamptz"),
    Column("request_hash", "text"),
    Column("start_by", "timestamptz"),
    Column("concurrency_key", "text", lambda run: run.concurrency and run.concurrency.key),
    Column("concurrency_limit", "int", lambda run: run.concurrency and run.concurrency.limit),
    Column("rate_key", "text", lambda run: run.rate and run.rate.key),
    Column("rate_limit", "int", lambda run: run.rate and run.rate.limit),
    Column("rate_per", "interval", lambda run: run.rate and run.rate.per),
    Column("pause_on_failure", "bool"),
    Column("backlog", "bool"),
    Column("cause", "uuid"),
    Column("resumed_at", "timestamptz"),
    Column("erased_at", "timestamptz"),  # `erasure` writes it
)
_RUN_STATE: Columns[Run] = (
    Column("version", "int"),
    Column("max_attempts", "int"),
    Column("status", "text"),
    Column("dispatch", "int"),
    Column("dispatched_at", "timestamptz"),
    Column("deferrals", "int"),
    Column("attempt", "int"),
    Column("failures", "int"),
    Column("executor", "text"),
    Column("started_at", "timestamptz"),
    Column("finished_at", "timestamptz"),
    Column("error", "text"),
    Column("result", "jsonb", lambda run: None if run.result is None else dumps(run.result)),
    Column("reason", "text"),
    Column("cancel_requested", "bool"),
    Column("own_payload", "bool"),
    Column("edits", "int"),
    Column("fingerprint", "text"),
    Column("wake_at", "timestamptz"),
    Column("not_before", "timestamptz"),
    Column("held", "bool"),
)

_PAYLOAD: Columns[Run] = (Column("payload", "jsonb", lambda run: dumps(run.payload) if run.own_payload else None),)
# Runs are decided without their payload (`rows.TO_DECIDE`), so an update writes it only where an edit has brought one.
_EDITED_PAYLOAD: Columns[Run] = (
    Column(
        "payload",
        "jsonb",
        lambda run: dumps(run.payload) if run.edits else None,
        "CASE WHEN r.edits > runs.edits THEN r.payload ELSE runs.payload END",
    ),
)

_PLANNED: Columns[Run] = (Column("planned_wake_at", "timestamptz", "wake_at"),)
# An event that sets no `wake_at`, such as a request to cancel, leaves it, moved as it may be (`wakeups`), and its plan.
_PLANNED_ANEW: Columns[Run] = (
    Column(
        "planned_wake_at",
        "timestamptz",
        "wake_at",
        "CASE WHEN r.wake_at = runs.wake_at THEN runs.planned_wake_at ELSE r.wake_at END",
    ),
)

# What the start and the success of an attempt change: most updates have no other events.
_OF_ATTEMPT = frozenset({
    "version", "status", "deferrals", "attempt", "executor", "started_at", "finished_at", "error", "result", "wake_at",
    "held",
})  # fmt: skip

JOB = _JOB_KEY + _JOB_FIXED + _JOB_STATE + _JOB_DEFINITION
JOB_UPDATED = _JOB_KEY + _JOB_STATE
JOB_REDEFINED = JOB_UPDATED + _JOB_DEFINITION
RUN = _RUN_KEY + _RUN_FIXED + _RUN_STATE + _PLANNED + _PAYLOAD
RUN_UPDATED = _RUN_KEY + _RUN_STATE + _PLANNED_ANEW + _EDITED_PAYLOAD
RUN_ATTEMPTED = _RUN_KEY + tuple(column for column in _RUN_STATE if column.name in _OF_ATTEMPT) + _PLANNED_ANEW
