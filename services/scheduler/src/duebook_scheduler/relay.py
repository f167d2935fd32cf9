"""The relay: tells `duebook.events` how runs go, each outcome at least once, none stepped over."""

from collections.abc import Mapping, Sequence
from typing import Any

from duebook_common.broker.publisher import OutgoingMessage, Publisher
from duebook_common.broker.topology import declare_events
from duebook_common.domain.mail import MISSES
from duebook_common.runtime.telemetry import RELAY_LAG
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.definitions import in_force
from duebook_common.store.eventstore import HORIZON
from duebook_scheduler.checkpoints import claim, move_checkpoint
from duebook_scheduler.outcome_messages import OUTCOMES, of_missed, of_run

# One probe of the primary key for each outcome: left to itself the planner reads all runs for it.
_NEXT = f"""
SELECT e.xid, e.position, e.stream, e.type, e.version, e.recorded_at, e.job_id AS of_job, run.*,
       e.type IN ('AttemptFailed', 'AttemptLost') AND e.data ->> 'retry_at' IS NULL AS last_failure,
       CASE WHEN e.type = 'OccurrencesSkipped' AND e.data ->> 'reason' = ANY($5::text[]) THEN e.data END AS missed
FROM (
    SELECT * FROM events WHERE (xid, position) > ($1::xid8, $2) AND {HORIZON} ORDER BY xid, position LIMIT $3
) AS e
LEFT JOIN LATERAL (
    SELECT run_id, job_id, job_name, task, queue, attempt, reason, notify FROM runs
    WHERE run_id = CASE WHEN e.type = ANY($4::text[]) THEN substring(e.stream FROM 5)::uuid END OFFSET 0
) AS run ON true
ORDER BY e.xid, e.position
"""  # noqa: S608

_BATCH = 1000


class Relay:
    """Publishes outcomes in the order of the log; any number may run, one at a time has the turn."""

    def __init__(self, pool: Pool, publisher: Publisher) -> None:
        self._pool, self._publisher = pool, publisher
        self._declared = False

    async def step(self) -> int:
        """Relay one batch; returns how many events were dealt with, or 0 if that was all: few at a time cost more."""
        if not self._publisher.connected:
            self._declared = False
            return 0
        if not self._declared:
            await declare_events(await self._publisher.channel())
            self._declared = True
        async with transaction(self._pool) as db:
            place = await claim(db, "relay")
            if place is None:
                return 0
            records = await db.fetch(_NEXT, place.xid, place.position, _BATCH, list(OUTCOMES), MISSES)
            RELAY_LAG.set(len(records))
            done = await self._publish(records, await _tellings(db, records))
            if done:
                await move_checkpoint(db, "relay", place, records[done - 1])
            return done if len(records) == _BATCH else 0

    async def _publish(self, records: Sequence[Any], tellings: Mapping[int, OutgoingMessage]) -> int:
        """Publish what is told of records, by their index; returns how many, from the first on, are dealt with."""
        answers = await self._publisher.publish([*tellings.values()])
        failed = next((n for n, answer in zip(tellings, answers, strict=True) if answer is not None), None)
        if failed is not None:
            self._declared = False  # the exchange may be gone with the broker's data
        return len(records) if failed is None else failed


async def _tellings(db: Connection, records: Sequence[Any]) -> dict[int, OutgoingMessage]:
    """What is to be told, by the index of the record, in order."""
    missing = [n for n, record in enumerate(records) if record["missed"] is not None]
    found = await in_force(db, [(records[n]["stream"], records[n]["version"]) for n in missing])
    definitions = dict(zip(missing, found, strict=True))
    return {
        n: of_missed(record, definitions[n]) if n in definitions else of_run(record)
        for n, record in enumerate(records)
        if n in definitions or _tells(record)
    }


def _tells(record: Any) -> bool:
    """The last failure is told by the dead letter, or the cancellation, that follows it."""
    return record["run_id"] is not None and not record["last_failure"]
