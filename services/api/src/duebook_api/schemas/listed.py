"""The columns of lists. What a client or a task may make large is read as JSON text, to be passed on."""

from duebook_api.schemas.views import RUN_FIELDS

_RUN_COLUMNS = ", ".join(
    "result::text AS result" if name == "result" else name
    for name in ("run_id", *RUN_FIELDS, "reason", "created_at", "fingerprint")
)
LISTED_RUNS = f"SELECT {_RUN_COLUMNS} FROM runs"  # noqa: S608
LISTED_DEAD_LETTERS = f"""
SELECT {_RUN_COLUMNS}, (CASE WHEN own_payload THEN payload ELSE (
    SELECT data->'definition'->'payload' FROM events
    WHERE stream = 'job-' || runs.job_id AND version = runs.definition_version
) END)::text AS effective_payload
FROM runs
"""  # noqa: S608

JOB_COLUMNS = """
job_id, stream_version, version, definition_version, definition - 'payload' - 'metadata' AS definition, status,
runs, next_at, next_due_at, reason, held, request_hash, created_at, updated_at
"""
LISTED_JOBS = f"""
SELECT {JOB_COLUMNS}, (definition->'payload')::text AS payload, (definition->'metadata')::text AS metadata FROM jobs
"""  # noqa: S608
