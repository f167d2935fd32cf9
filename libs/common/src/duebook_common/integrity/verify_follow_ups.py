"""Follow-ups: each end that `then` names has its follow-up, or a refusal with the reason."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from duebook_common.domain.run.ids import run_id_of_follow_up
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verified import EVER
from duebook_common.store.codec import FOLLOW_UPS
from duebook_common.store.database import Connection
from duebook_common.store.follow_ups import ENDS, SUBSCRIBER, OwedFollowUp, owed

_Key = tuple[str, int, int]

# As far as the subscriber says that it has dealt with the log, and what it should have dealt with long ago.
_ENDS = """
SELECT run.run_id, run.job_id, e.type, e.version, d.data #> '{definition,then}' AS follow_ups
FROM events d
JOIN runs run ON run.job_id = substring(d.stream FROM 5)::uuid AND run.definition_version = d.version
JOIN events e ON e.stream = 'run-' || run.run_id AND e.born = run.born AND e.type = ANY($1::text[])
LEFT JOIN checkpoints c ON c.subscriber = $2
WHERE ((e.xid, e.position) <= (c.xid, c.position) OR e.recorded_at < $3) AND e.recorded_at > $4
    AND d.type IN ('JobCreated', 'JobChanged') AND jsonb_array_length(d.data #> '{definition,then}') > 0
"""
_REFUSED = """
SELECT data ->> 'run_id' AS run_id, (data ->> 'version')::int AS version, (data ->> 'entry')::int AS entry
FROM events WHERE type = 'FollowUpRefused' AND data ->> 'run_id' = ANY($1::text[])
"""
_EXISTING = """
SELECT run_id FROM runs WHERE run_id = ANY($1::uuid[]) AND trigger = 'follow_up'
UNION SELECT run_id FROM ledger_lines WHERE run_id = ANY($1::uuid[]) AND trigger = 'follow_up'
"""
_AT_ONCE = 1_000  # ends, so that any number of them needs little memory


async def check_follow_ups(db: Connection, recorded_before: datetime, recorded_after: datetime = EVER) -> list[Breach]:
    """A breach for each end that has neither its follow-up nor a refusal, or more than one.

    Ends count that were dealt with, or recorded before that instant (UTC): a subscriber that is stuck owes these. Those
    that were recorded before `recorded_after` are left out.
    """
    breaches, ends = list[Breach](), await db.cursor(_ENDS, list(ENDS), SUBSCRIBER, recorded_before, recorded_after)
    while records := await ends.fetch(_AT_ONCE):
        wanted = [each for record in records for each in _owed(record)]
        breaches += _breaches(wanted, await _counts(db, wanted))
    return breaches


async def _counts(db: Connection, wanted: Sequence[OwedFollowUp]) -> dict[_Key, int]:
    """How many follow-ups and refusals each has."""
    ids = {run_id_of_follow_up(each.run_id, each.version, each.entry): each for each in wanted}
    existing = {record["run_id"] for record in await db.fetch(_EXISTING, list(ids))}
    run_ids = [*{str(each.run_id) for each in wanted}]
    refused = Counter((r["run_id"], r["version"], r["entry"]) for r in await db.fetch(_REFUSED, run_ids))
    return {_key(each): (run_id in existing) + refused[_key(each)] for run_id, each in ids.items()}


def _owed(record: Any) -> list[OwedFollowUp]:
    return owed(record, FOLLOW_UPS.validate_python(record["follow_ups"]))


def _key(each: OwedFollowUp) -> _Key:
    return str(each.run_id), each.version, each.entry


def _breaches(wanted: Iterable[OwedFollowUp], counts: dict[_Key, int]) -> Iterable[Breach]:
    for each in wanted:
        if (count := counts[_key(each)]) != 1:
            says = (
                f"its event {each.version} has {count} follow-ups or refusals for entry {each.entry} of `then`, not 1"
            )
            yield Breach(Invariant.EXACTLY_ONCE, f"run-{each.run_id}", says)
