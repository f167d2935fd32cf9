"""Why a run is not among the dead letters: what became of one that was, and the status of one that never was."""

from typing import Any
from uuid import UUID

from duebook_api.history.archived import missing_run
from duebook_api.http.problems import Problem
from duebook_api.schemas.phrases import acting, event_time, with_reason
from duebook_common.domain.run.events import stream
from duebook_common.store.database import Connection

_STATUS = "SELECT status FROM runs WHERE run_id = $1"
_LAST_END = """
SELECT type, data ->> 'reason' AS reason, meta ->> 'actor' AS actor, meta ->> 'bulk' AS bulk, recorded_at FROM events
WHERE stream = $1 AND type IN ('RunRedriven', 'RunDiscarded') ORDER BY version DESC LIMIT 1
"""
_VERBS = {"RunRedriven": "redrove", "RunDiscarded": "discarded"}


async def no_dead_letter(db: Connection, run_id: UUID) -> Problem:
    """Problem 404 about a run that is no dead letter, 410 if the run is archived."""
    status = await db.fetchval(_STATUS, run_id)
    if status is None:
        return await missing_run(db, run_id, "dead letter")
    now = f"its status is {status}"
    end: Any = await db.fetchrow(_LAST_END, stream(run_id))
    if end is None:
        return Problem(404, "not_found", f"run {run_id} is no dead letter: {now}")
    did = f"{acting(end['actor'], end['bulk'])} {_VERBS[end['type']]} it at {event_time(end['recorded_at'])}"
    detail = f"run {run_id} is no dead letter any more: {did}{with_reason(end['reason'])}; {now}"
    return Problem(404, "not_found", detail)
