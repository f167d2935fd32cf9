"""The columns of lists. What a client or a task may make large is read as JSON text, to be passed on.

`…_BYTES` is SQL for the size of a row, which is found without the text. A definition lacks a payload that is `{}`.
"""

from duebook_api.schemas.views import RUN_FIELDS
from duebook_common.store.byte_bounds import ROWS, size_of

LISTED_RUNS = ", ".join(
    "result::text AS result" if name == "result" else name
    for name in ("run_id", *RUN_FIELDS, "reason", "cause", "erased_at", "created_at", "fingerprint")
)
RUN_BYTES = size_of("result")


def _payload(runs: str) -> str:
    """The payload of a row of `runs`, which has this name in the query."""
    return f"""(CASE WHEN {runs}.own_payload THEN {runs}.payload ELSE (
    SELECT coalesce(data->'definition'->'payload', jsonb_build_object()) FROM events
    WHERE stream = 'job-' || {runs}.job_id AND version = {runs}.definition_version
      AND born = (SELECT jobs.born FROM jobs WHERE jobs.job_id = {runs}.job_id)
) END)"""  # noqa: S608


def _dead_letters(runs: str) -> str:
    return f"{LISTED_RUNS}, {_payload(runs)}::text AS effective_payload"


LISTED_DEAD_LETTERS, DEAD_LETTER_BYTES = _dead_letters(ROWS), f"{RUN_BYTES} + {size_of(_payload(ROWS))}"
DEAD_LETTERS = f"SELECT {_dead_letters('runs')} FROM runs"  # noqa: S608

JOB_COLUMNS = """
job_id, name, stream_version, version, definition_version, definition - 'payload' - 'metadata' AS definition, status,
runs, next_at, next_due_at, reason, held, backlog_since, request_hash, erased_at, created_at, updated_at, born
"""
LISTED_JOBS = f"""
{JOB_COLUMNS}, coalesce(definition->'payload', jsonb_build_object())::text AS payload,
coalesce(definition->'metadata', jsonb_build_object())::text AS metadata
"""
JOB_BYTES = size_of("definition")
