"""The payload of a run: its own, or that of its job's definition at the time of the dispatch."""

from typing import Any

from duebook_common.domain.job import events as job_events
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.definitions import in_force

WITH_PAYLOAD = """
SELECT *, CASE WHEN own_payload THEN payload ELSE (
    SELECT coalesce(data->'definition'->'payload', jsonb_build_object()) FROM events
    WHERE stream = 'job-' || runs.job_id AND version = runs.definition_version
      AND born = (SELECT jobs.born FROM jobs WHERE jobs.job_id = runs.job_id)
) END AS effective_payload
FROM runs
"""


async def payload_of(db: Connection, run: Run) -> Any:
    if run.own_payload:
        return run.payload
    [definition] = await in_force(db, [(job_events.stream(run.job_id), run.definition_version)])
    return definition.payload
