"""Invariant 8 in one pass over some streams: no version lacks, no stream is in two periods, no contents are gone.

And after it, whether erasures have left contents.
"""

from collections.abc import Iterable
from typing import Any

from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verified import Verified
from duebook_common.store.database import Connection

# The erasure of a mail is that of its run, or of the job whose missed occurrences it is about.
_STREAMS = """
WITH streams AS (
    SELECT stream, count(*) <> max(version) OR min(born) <> max(born) AS torn,
        bool_or(sealed IS NOT NULL) AND NOT bool_or(type IN ('RunErased', 'JobErased')) AS lacks,
        min(job_id::text) AS job_id
    FROM events WHERE {} GROUP BY stream
)
SELECT stream, torn, lacks AND NOT EXISTS (
    SELECT FROM events WHERE type IN ('RunErased', 'JobErased')
    AND events.stream = ANY(ARRAY['run-' || right(streams.stream, 36), 'job-' || streams.job_id])
) AS lacks FROM streams WHERE torn OR lacks
"""
_OF_RANGE = _STREAMS.format("stream >= $1 AND stream < $2")
_CHANGED = _STREAMS.format("stream IN (SELECT stream FROM events WHERE (xid, position) > ($1::xid8, $2))")
_LEFT = """
SELECT events.stream FROM events JOIN (
    SELECT 'run-' || run_id AS stream FROM runs WHERE erased_at IS NOT NULL
    UNION ALL SELECT 'mail-' || run_id FROM runs WHERE erased_at IS NOT NULL
    UNION ALL SELECT 'job-' || job_id FROM jobs WHERE erased_at IS NOT NULL
) AS erased USING (stream) WHERE frame_of(data) <> data
UNION
SELECT 'run-' || run_id FROM log_lines JOIN runs USING (run_id) WHERE erased_at IS NOT NULL
"""


async def check_streams(db: Connection, start: str, end: str) -> list[Breach]:
    """Breaches in the streams from `start` until before `end`."""
    return _breaches(await db.fetch(_OF_RANGE, start, end))


async def check_changed_streams(db: Connection, since: Verified) -> list[Breach]:
    """Breaches in the streams that have events since then."""
    return _breaches(await db.fetch(_CHANGED, since.xid, since.position))


def _breaches(records: Iterable[Any]) -> list[Breach]:
    breaches = list[Breach]()
    for record in records:
        if record["torn"]:
            says = "versions are not contiguous, or lie in two periods"
            breaches.append(Breach(Invariant.APPEND_ONLY, record["stream"], says))
        if record["lacks"]:
            breaches.append(Breach(Invariant.APPEND_ONLY, record["stream"], "lacks contents"))
    return breaches


async def check_left_contents(db: Connection) -> list[Breach]:
    """Contents that an erasure has left."""
    says = "was erased and has contents; erase it again"
    return [Breach(Invariant.APPEND_ONLY, record["stream"], says) for record in await db.fetch(_LEFT)]
