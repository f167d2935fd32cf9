"""Follow-ups: each end that `then` names has its follow-up, or a refusal with the reason."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from duebook_common.domain.run.events import run_id_of_follow_up
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.codec import DEFINITION
from duebook_common.store.database import Connection
from duebook_common.store.follow_ups import ENDS, SUBSCRIBER, OwedFollowUp, owed

# As far as the subscriber says that it has dealt with the log, and what it should have dealt with long ago.
_ENDS = """
SELECT run.run_id, run.job_id, e.type, e.version, (d.data -> 'definition') - 'payload' - 'metadata' AS definition
FROM events d
JOIN runs run ON run.job_id = substring(d.stream FROM 5)::uuid AND run.definition_version = d.version
JOIN events e ON e.stream = 'run-' || run.run_id AND e.type = ANY($1::text[])
LEFT JOIN checkpoints c ON c.subscriber = $2
WHERE ((e.xid, e.position) <= (c.xid, c.position) OR e.recorded_at < $3)
    AND d.type IN ('JobCreated', 'JobChanged') AND jsonb_array_length(d.data #> '{definition,then}') > 0
"""
_REFUSED = """
SELECT data ->> 'run_id' AS run_id, (data ->> 'version')::int AS version, (data ->> 'entry')::int AS entry
FROM events WHERE type = 'FollowUpRefused'
"""
_EXISTING = "SELECT run_id FROM runs WHERE run_id = ANY($1::uuid[]) AND trigger = 'follow_up'"


async def check_follow_ups(db: Connection, recorded_before: datetime) -> list[Breach]:
    """A breach for each end that has neither its follow-up nor a refusal, or more than one.

    Ends count that were dealt with, or recorded before that instant (UTC): a subscriber that is stuck owes these.
    """
    records = await db.fetch(_ENDS, list(ENDS), SUBSCRIBER, recorded_before)
    wanted = [each for record in records for each in _owed(record)]
    ids = {run_id_of_follow_up(each.run_id, each.version, each.entry): each for each in wanted}
    existing = {record["run_id"] for record in await db.fetch(_EXISTING, list(ids))}
    refused = Counter((r["run_id"], r["version"], r["entry"]) for r in await db.fetch(_REFUSED))
    counts = {_key(each): (run_id in existing) + refused[_key(each)] for run_id, each in ids.items()}
    return [*_breaches(wanted, counts)]


def _owed(record: Any) -> list[OwedFollowUp]:
    return owed(record, DEFINITION.validate_python(record["definition"]).then)


def _key(each: OwedFollowUp) -> tuple[str, int, int]:
    return str(each.run_id), each.version, each.entry


def _breaches(wanted: Iterable[OwedFollowUp], counts: dict[tuple[str, int, int], int]) -> Iterable[Breach]:
    for each in wanted:
        if (count := counts[_key(each)]) != 1:
            says = (
                f"its event {each.version} has {count} follow-ups or refusals for entry {each.entry} of `then`, not 1"
            )
            yield Breach(Invariant.EXACTLY_ONCE, f"run-{each.run_id}", says)
